"""Commands for plugin authors: plugin new, plugin test."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dfdbench.errors import SpecError

if TYPE_CHECKING:
    from dfdbench.component import Component
    from dfdbench.registry import Registry
    from dfdbench.testing import Result

plugin_app = typer.Typer(
    help="Write a plugin, and test one.", no_args_is_help=True, rich_markup_mode=None
)
FAILED = 4
WIDTH = 80


@plugin_app.command("new")
def new(
    name: Annotated[str, typer.Argument(help="of the component, such as bright_faces")],
    kind: Annotated[
        str,
        typer.Option(
            help="detector, dataset, preprocessor, transform, backbone, peft, regularizer or logger"
        ),
    ] = "detector",
    out: Annotated[Path, typer.Option(help="folder to write it in")] = Path(),
) -> None:
    """Write a small distribution with one component, its test and a README."""
    from dfdbench import registry, scaffold

    texts = scaffold.files(name, kind)
    taken = [e.provider for _, e in registry.load().entries(kind) if e.cls.name == name]
    if taken:
        raise SpecError(f"{taken[0]} provides the {kind} {name!r} already; choose another name")
    target = scaffold.write(name, kind, out)
    for path in texts:
        print(f"wrote {target / path}")
    print(f"next: cd {target} && pip install -e . && python -m pytest")


@plugin_app.command("test")
def test(
    component: Annotated[str, typer.Argument(help="its name, or kind.name")],
    sets: Annotated[
        list[str] | None, typer.Option("--set", metavar="OPTION=VALUE", help="an option of it")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="of a data set: the folder of its data")] = None,
    split: Annotated[str, typer.Option(help="of a data set: the split to list")] = "test",
    backbone: Annotated[
        str | None, typer.Option(metavar="YAML", help="of a peft: what to apply it to")
    ] = None,
) -> None:
    """Check that an installed component keeps its kind's contract."""
    import tempfile

    from dfdbench import registry
    from dfdbench.testing import Case, run

    found = registry.load()
    tried, provider = _made(found, component, sets or [])
    print(f"{tried.kind} {tried.name} ({provider})\n")
    with tempfile.TemporaryDirectory(prefix="dfdbench-") as folder:
        case = Case(tried, Path(folder), data, split)
        if backbone is not None:
            case.encoder = found.resolve("backbone", _value(backbone)).build  # type: ignore[attr-defined]
        results = []
        for result in run(case):
            print("\n".join(lines(result)), flush=True)
            results.append(result.outcome)
    counts = [f"{results.count(o)} {o}" for o in ("ok", "failed", "not run") if o in results]
    print(f"\n{len(results)} checks: {', '.join(counts)}")
    raise typer.Exit(FAILED if "failed" in results else 0)


def lines(result: Result) -> list[str]:
    """A check and how it went, at most 80 columns wide; a failed one with its contract."""
    mark = {"ok": "ok", "failed": "FAILED", "not run": "-"}[result.outcome]
    found = [f"{mark:8}{result.check.sentence}"]
    texts = [result.why] if result.why else []
    if result.outcome == "failed":
        texts.append(" ".join(f"Contract: {result.check.contract}".split()))
    for text in texts:
        found += textwrap.wrap(text, WIDTH, initial_indent=" " * 8, subsequent_indent=" " * 8)
    return found


def _made(registry: Registry, name: str, sets: list[str]) -> tuple[Component, str]:
    """The component with its options, and who provides it."""
    from pydantic import ValidationError

    from dfdbench import describe

    kind, entry = describe.find(registry, name)
    short = entry.cls.name
    options: dict[str, Any] = {"use": short}
    for text in sets:
        option, sign, value = text.partition("=")
        if not sign:
            raise SpecError(f"--set {text!r} is not OPTION=VALUE, such as --set sharpness=0.5")
        options[option] = _value(value)
    try:
        made = registry.resolve(kind, options)
    except ValidationError as error:
        raise SpecError(
            *(
                f"{kind} {short}: {'.'.join(map(str, item['loc']))}: {item['msg']}; give it with "
                "--set"
                for item in error.errors()
            )
        ) from None
    return made, entry.provider


def _value(text: str) -> Any:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        return YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        raise SpecError(f"{text!r} is no YAML: {' '.join(str(error).split())}") from error
