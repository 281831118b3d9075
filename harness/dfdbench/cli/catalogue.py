"""Commands that list and show components: ls, show."""

from __future__ import annotations

from typing import Annotated

import typer

from dfdbench.errors import SpecError


def list_components(
    kind: Annotated[str | None, typer.Argument(help="dataset, backbone, ...")] = None,
) -> None:
    """List the components and what provides each."""
    from dfdbench import describe, registry

    found = registry.load()
    if kind is not None and kind not in registry.KINDS:
        raise SpecError(f"unknown kind {kind!r}; the kinds are {', '.join(registry.KINDS)}")
    print(describe.components(found, kind))


def show(
    component: Annotated[
        str, typer.Argument(help="its name, or kind.name; or a spec, as specs/demo.yaml")
    ],
) -> None:
    """Show a component's options and an example line of YAML, or a spec."""
    from dfdbench import describe, registry

    if component.endswith((".yaml", ".yml")):
        from dfdbench import spec

        print(spec.find(component).read_text(encoding="utf-8"), end="")
        return
    print(describe.component(registry.load(), component))
