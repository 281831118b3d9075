"""Plugins that were made for another version of the plugin API."""

from __future__ import annotations

import ast
import importlib.util
from importlib import metadata
from pathlib import Path

from dfdbench.api import API_VERSION
from dfdbench.errors import PluginError

ATTRIBUTE = "dfdbench_api"


class ApiVersionError(PluginError):
    """A plugin was made for another version of the plugin API; it is left out."""


def check(plugin: object, distribution: str, own_version: str) -> None:
    """See that a plugin that names a version of the API names this one.

    Raises:
        ApiVersionError: it names another one.
    """
    made_for = getattr(plugin, ATTRIBUTE, None)
    if made_for is not None and str(made_for) != API_VERSION:
        raise ApiVersionError(_other(str(made_for), distribution, own_version))


def check_source(point: metadata.EntryPoint, distribution: str, own_version: str) -> None:
    """The same for a plugin that could not be imported, as where it needs what is not there yet.

    Raises:
        ApiVersionError: its source names another version.
    """
    made_for = _in_source(point.module)
    if made_for not in (None, API_VERSION):
        raise ApiVersionError(_other(str(made_for), distribution, own_version))


def _other(made_for: str, distribution: str, own_version: str) -> str:
    ways = f"install a release of {distribution} for version {API_VERSION}"
    if made_for.isdecimal() and int(made_for) > int(API_VERSION):
        ways = f"install a newer dfdbench, or {ways.removeprefix('install ')}"
    return (
        f"it was made for version {made_for} of the plugin API, and dfdbench {own_version} has "
        f"version {API_VERSION}; {ways}"
    )


def _in_source(module: str) -> str | None:
    """What the module's source sets ``dfdbench_api`` to, None where that cannot be told."""
    try:
        spec = importlib.util.find_spec(module)
        if spec is None or spec.origin is None:
            return None
        tree = ast.parse(Path(spec.origin).read_bytes())
    except Exception:  # a package above it that fails in any way: nothing can be told
        return None
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            names = [target.id for target in node.targets if isinstance(target, ast.Name)]
            if ATTRIBUTE in names:
                return str(node.value.value)
    return None
