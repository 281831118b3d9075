"""Writes a new plugin: a small distribution that installs and passes its tests as it is."""

from __future__ import annotations

import keyword
import os
import re
import shutil
from importlib import resources
from pathlib import Path
from string import Template

from dfdbench import api
from dfdbench.errors import SpecError
from dfdbench.registry import KINDS

TAKEN = {*api.__all__, "Path", "Field", "Any"}
"""Names that the templates import."""


def write(name: str, kind: str, above: Path) -> Path:
    """Write the distribution ``dfdbench-<name>`` below the folder ``above``; returns its folder.

    Raises:
        SpecError: no such kind, a name that cannot be one, or something is there already.
    """
    texts = files(name, kind)
    target = above / distribution(name)
    if target.exists():
        raise SpecError(f"{target} is there already; choose another name or another --out")
    unfinished = above / f".{target.name}.{os.getpid()}"
    try:
        for path, text in texts.items():
            file = unfinished / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        os.rename(unfinished, target)
    except OSError as error:
        raise SpecError(f"cannot write {target}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return target


def files(name: str, kind: str) -> dict[str, str]:
    """Relative path -> text of each file of a new plugin.

    Raises:
        SpecError: as :func:`write`.
    """
    if kind not in KINDS:
        raise SpecError(f"--kind {kind}: there is no such kind; there are {', '.join(KINDS)}")
    _check(name)
    values = {
        "name": name,
        "cls": class_name(name),
        "module": f"dfdbench_{name}",
        "distribution": distribution(name),
        "kind": kind,
        "hook": KINDS[kind],
        "api": api.API_VERSION,
        "spec": _in_a_spec(name, kind),
    }
    wanted = {
        "pyproject.toml": "pyproject.toml",
        "README.md": "README.md",
        f"{values['module']}.py": f"{kind}.py",
        f"tests/test_{values['module']}.py": f"test_{kind}.py",
    }
    return {path: _template(file).substitute(values) for path, file in wanted.items()}


def distribution(name: str) -> str:
    """What the plugin is called where packages are installed from."""
    return f"dfdbench-{name.replace('_', '-')}"


def class_name(name: str) -> str:
    """The name of the component's class.

    >>> class_name("bright_faces"), class_name("sbi2")
    ('BrightFaces', 'Sbi2')
    """
    return "".join(part.capitalize() for part in name.split("_"))


def _check(name: str) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name):
        raise SpecError(
            f"{name!r} is no name for a plugin: small letters, digits and single _ between them, "
            "such as bright_faces"
        )
    if keyword.iskeyword(class_name(name)) or class_name(name) in TAKEN:
        raise SpecError(
            f"{name!r} would make a class {class_name(name)}, which has a meaning already; choose "
            f"another, such as my_{name}"
        )


def _template(file: str) -> Template:
    folder = resources.files("dfdbench.scaffold") / "templates"
    return Template((folder / f"{file}.txt").read_text(encoding="utf-8"))


def _in_a_spec(name: str, kind: str) -> str:
    lines = {
        "dataset": f"test_sets: {{mine: {{dataset: {name}, split: test}}}}",
        "preprocessor": f"faces: {name}",
        "transform": f"recipe: {{augment: [{name}]}}",
        "backbone": f"detectors: {{mine: {{backbone: {name}, peft: linear_probe}}}}",
        "peft": f"detectors: {{mine: {{backbone: demo_clip, peft: {name}}}}}",
        "regularizer": (
            f"detectors: {{mine: {{backbone: demo_clip, peft: ln_tuning, regularizers: [{name}]}}}}"
        ),
        "detector": f"detectors: {{mine: {name}}}",
        "logger": f"loggers: [{name}]",
    }
    return lines[kind]
