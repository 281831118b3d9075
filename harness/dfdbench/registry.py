"""Finds the components: the built-ins, then every installed plugin, by the same way in."""

from __future__ import annotations

import difflib
import hashlib
import inspect
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import import_module, metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy

from dfdbench import api, api_version, hookspecs
from dfdbench.api_version import ApiVersionError
from dfdbench.component import Component
from dfdbench.errors import PluginError
from dfdbench.shared_state import quiet

GROUP = "dfdbench"
BUILTINS = "dfdbench_plugins"

HOOKS: dict[str, type[Component]] = {
    "dfdbench_datasets": api.DatasetAdapter,
    "dfdbench_preprocessors": api.FacePreprocessor,
    "dfdbench_transforms": api.Transform,
    "dfdbench_backbones": api.Backbone,
    "dfdbench_peft": api.PeftStrategy,
    "dfdbench_regularizers": api.Regularizer,
    "dfdbench_detectors": api.Detector,
    "dfdbench_loggers": api.Logger,
}
KINDS = {base.kind: hook for hook, base in HOOKS.items()}


@dataclass(frozen=True, slots=True)
class Entry:
    """A component's class and who provides it."""

    cls: type[Component]
    distribution: str
    version: str

    @property
    def provider(self) -> str:
        """Distribution and version, e.g. ``dfdbench 0.1.0``."""
        return f"{self.distribution} {self.version}"


class Registry:
    """Every component by kind and name.

    Attributes:
        broken: plugins that could not be imported: entry point -> what happened.
    """

    def __init__(self) -> None:
        self._entries: dict[str, dict[str, Entry]] = {kind: {} for kind in KINDS}
        self.broken: dict[str, str] = {}

    def register(self, plugin: object, distribution: str, version: str) -> None:
        """Take in a plugin's components.

        Raises:
            PluginError: an unknown hook, something that is no component, a taken name, or another
                version of the plugin API.
        """
        api_version.check(plugin, distribution, own_version())
        manager = pluggy.PluginManager("dfdbench")
        manager.add_hookspecs(hookspecs)
        where = f"plugin {getattr(plugin, '__name__', plugin)!s} of {distribution} {version}"
        try:
            manager.register(plugin)
            manager.check_pending()
        except pluggy.PluginValidationError as error:
            hooks = ", ".join(HOOKS)
            raise PluginError(f"{where}: {error}; the hooks are {hooks}") from error
        hooks_of = {hook: getattr(manager.hook, hook).get_hookimpls() for hook in HOOKS}
        if not any(hooks_of.values()):
            raise PluginError(f"{where} has no hook; mark its functions with dfdbench.hookimpl")
        found = {hook: [impl.function() for impl in hooks_of[hook]] for hook in HOOKS}
        for hook, base in HOOKS.items():
            for classes in found[hook]:
                if not isinstance(classes, Iterable):
                    raise PluginError(f"{where}: {hook} returns {classes!r}, not classes")
                for cls in classes:
                    self._add(cls, base, hook, where, Entry(cls, distribution, version))

    def _add(
        self, cls: type[Component], base: type[Component], hook: str, where: str, entry: Entry
    ) -> None:
        if not (isinstance(cls, type) and issubclass(cls, base)) or inspect.isabstract(cls):
            raise PluginError(
                f"{where}: {hook} returns {cls!r}; it must be a concrete subclass of "
                f"dfdbench.api.{base.__name__}"
            )
        if not re.fullmatch(r"[a-z0-9_]+", cls.name):
            raise PluginError(f"{where}: {cls.__name__}.name is {cls.name!r}, not [a-z0-9_]+")
        taken = self._entries[base.kind].get(cls.name)
        if taken is not None:
            raise PluginError(
                f"two plugins provide the {base.kind} {cls.name!r}: {taken.provider} and "
                f"{entry.provider}; uninstall one of them, or rename its component"
            )
        self._entries[base.kind][cls.name] = entry

    def entries(self, kind: str | None = None) -> list[tuple[str, Entry]]:
        """``(kind, entry)`` of all components, or of one kind, sorted by name."""
        return [
            (k, entry)
            for k in KINDS
            if kind in (None, k)
            for _, entry in sorted(self._entries[k].items())
        ]

    def find(self, kind: str, name: str) -> Entry:
        """The component of this kind and name.

        Raises:
            KeyError: there is none; the message names the closest match.
        """
        entry = self._entries[kind].get(name)
        if entry is None:
            raise KeyError(self._unknown(kind, name))
        return entry

    def _unknown(self, kind: str, name: str) -> str:
        names = list(self._entries[kind])
        close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
        elsewhere = [k for k in KINDS if name in self._entries[k]]
        if elsewhere:
            hint = f"{name!r} is a {elsewhere[0]}"
        elif close:
            hint = f"did you mean {close[0]!r}?"
        else:
            hint = f"there are {', '.join(sorted(names)) or 'none'}"
        broken = "".join(f"; plugin {who} was left out: {why}" for who, why in self.broken.items())
        return f"unknown {kind} {name!r}; {hint} (an installed plugin may provide more){broken}"

    def resolve(self, kind: str, value: Any) -> Component:
        """Build a component from what a spec says: a name, or a mapping with ``use``.

        Raises:
            ValueError: nothing usable, or an unknown name.
            pydantic.ValidationError: wrong options, each with its place.
        """
        if isinstance(value, str):
            value = {"use": value}
        if not isinstance(value, dict):
            raise ValueError(f"a {kind} is a name or a mapping with `use:`, not {value!r}")
        options = {k: v for k, v in value.items() if k != "use"}
        cls = self.class_of(kind, value.get("use"))
        return cls.model_validate(options, context=self.resolve)

    def class_of(self, kind: str, name: Any) -> type[Component]:
        """The class that ``use: name`` means; with no name, the kind's default.

        Raises:
            ValueError: an unknown name, or no name where the kind has no default.
        """
        if name is None:
            defaults = [e.cls for _, e in self.entries(kind) if e.cls.default]
            if len(defaults) != 1:
                raise ValueError(f"`use:` is missing: which {kind}?")
            return defaults[0]
        try:
            return self.find(kind, str(name)).cls
        except KeyError as error:
            raise ValueError(error.args[0]) from None

    def provenance(self, component: Component) -> list[dict[str, str]]:
        """Module, distribution, version and source hash of a component and all its parts."""
        found = {}
        for part in component.walk():
            entry = self.find(part.kind, part.name)
            found[f"{part.kind}.{part.name}"] = {
                "component": f"{part.kind}.{part.name}",
                "module": type(part).__module__,
                "distribution": entry.distribution,
                "version": entry.version,
                "source": source_hash(sys.modules[type(part).__module__]),
            }
        return [found[key] for key in sorted(found)]


@cache
def source_hash(module: ModuleType) -> str:
    """sha256 of a module's source, and of the Python files beside it where it is a package."""
    file = getattr(module, "__file__", None)
    if file is None:
        return ""
    path = Path(file)
    files = sorted(path.parent.rglob("*.py")) if path.name == "__init__.py" else [path]
    digest = hashlib.sha256()
    for each in files:
        digest.update(each.name.encode() + b"\0" + each.read_bytes() + b"\0")
    return digest.hexdigest()


def load() -> Registry:
    """The registry of this environment: built-ins first, then entry points sorted by name.

    A plugin that cannot be imported is left out and noted in ``Registry.broken``; a plugin that
    breaks the contract or claims a taken name is an error, since the spec's meaning would depend
    on the order of installation. What plugins print while they are imported goes to standard error.
    """
    registry = Registry()
    for name in import_module(BUILTINS).MODULES:
        registry.register(import_module(name), "dfdbench", own_version())
    points = metadata.entry_points(group=GROUP)
    for point in sorted(points, key=lambda p: (p.name, p.value)):
        dist = point.dist
        name, version = (dist.name, dist.version) if dist else ("?", "?")
        label = f"{point.name} ({name} {version})" if dist else point.name
        try:
            with quiet():
                registry.register(_imported(point, name), name, version)
        except ApiVersionError as error:
            registry.broken[label] = str(error)
        except PluginError:
            raise
        except (Exception, SystemExit) as error:  # a plugin may fail in any way; it is reported
            registry.broken[label] = f"{type(error).__name__}: {error}"
    return registry


def _imported(point: metadata.EntryPoint, distribution: str) -> object:
    try:
        return point.load()
    except (Exception, SystemExit):
        api_version.check_source(point, distribution, own_version())
        raise


def own_version() -> str:
    """Version of the installed distribution, ``0+source`` where it runs from its source."""
    try:
        return metadata.version("dfdbench")
    except metadata.PackageNotFoundError:
        return "0+source"
