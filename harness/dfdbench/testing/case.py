"""A component under test, and what it is tried on."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from ruamel.yaml import YAML

from dfdbench.component import Component

if TYPE_CHECKING:
    from dfdbench.api import FrameSource
    from dfdbench.encoder import Encoder

T = TypeVar("T")


class Failed(AssertionError):
    """A check found that a component breaks its contract; the message says how."""


def fail(message: str) -> NoReturn:
    """End the check with this message."""
    raise Failed(message)


def require(holds: object, message: str) -> None:
    """End the check with this message unless something holds."""
    if not holds:
        raise Failed(message)


@dataclass
class Case:
    """A component under test, and what it is tried on.

    Attributes:
        component: with the options to try.
        folder: an empty folder to work in.
        data: of a data set: the folder of ``--data``.
        split: of a data set: the split to list.
        frames: of a face preprocessor: makes the frames to take faces from.
        encoder: of a PEFT strategy: makes the encoder to apply it to, drawn from torch's global
            generator.
        size: of a detector: side of the faces in pixels.
        module: the module whose import is looked at; default: that of the component's class.
    """

    component: Component
    folder: Path
    data: Path | None = None
    split: str = "test"
    frames: Callable[[], FrameSource] | None = None
    encoder: Callable[[], Encoder] | None = None
    size: int = 48
    module: str = ""
    memory: dict[str, Any] = field(default_factory=dict, repr=False)

    def again(self) -> Component:
        """Another instance with the same options, as another process would make it."""
        return resolve_like(self.component)(self.component.kind, self.component.to_spec())

    def new_folder(self) -> Path:
        """A new empty folder."""
        return Path(tempfile.mkdtemp(dir=self.folder))

    def once(self, key: str, make: Callable[[], T]) -> T:
        """What ``make`` returned or raised when a check asked for it first."""
        if key not in self.memory:
            try:
                self.memory[key] = make(), None
            except Exception as error:
                self.memory[key] = None, error
        found, failure = self.memory[key]
        if failure is not None:
            raise failure
        value: T = found
        return value


def resolve_like(component: Component) -> Callable[[str, Any], Component]:
    """Resolves what a spec says by the classes of a component and its parts, else by the registry.

    So that a component can be tried that is not installed.
    """
    known = {(part.kind, part.name): type(part) for part in component.walk()}

    def resolve(kind: str, value: Any) -> Component:
        value = {"use": value} if isinstance(value, str) else value
        cls = known.get((kind, value.get("use")))
        if cls is None:
            from dfdbench import registry

            cls = registry.load().class_of(kind, value.get("use"))
        options = {name: option for name, option in value.items() if name != "use"}
        return cls.model_validate(options, context=resolve)

    return resolve


def yaml() -> YAML:
    """YAML 1.2 as specs are read."""
    return YAML(typ="safe", pure=True)
