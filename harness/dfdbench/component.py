"""A component is its validated options: the base class of everything that a plugin brings."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, ValidationInfo
from pydantic_core import CoreSchema, core_schema

Resolve = Callable[[str, Any], "Component"]
"""``(kind, raw value of the spec) -> component``; handed down as pydantic's validation context."""


class Component(BaseModel):
    """Options of one data set, backbone, detector, ...; frozen, so that it can name a result.

    In a spec ``{use: slerp, low: 0.0}`` or the bare name ``slerp`` becomes ``Slerp(low=0.0)``.
    The options with their values are the provenance of a result; their types, defaults and
    descriptions are the documentation that ``dfdbench show`` prints.

    An option of type ``Path`` counts by the content of the file that it names, never by the path.
    Options may not be sets: their order would change a result's key from run to run.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    kind: ClassVar[str] = ""
    name: ClassVar[str] = ""
    default: ClassVar[bool] = False
    """Whether the spec means this component where it names none (at most one of a kind)."""

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        for field, info in cls.model_fields.items():
            if _mentions_set(info.annotation):
                raise TypeError(f"{cls.__name__}.{field}: a component's option may not be a set")

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: type[Any], handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Let a field of an abstract kind take any component of that kind."""
        if not cls.__dict__.get("kind"):
            return handler(source)

        def resolve(value: Any, info: ValidationInfo) -> Component:
            if isinstance(value, cls):
                return value
            if info.context is None:
                raise ValueError(f"a {cls.kind} is needed, not {value!r}")
            component: Component = info.context(cls.kind, value)
            return component

        return core_schema.with_info_plain_validator_function(
            resolve,
            serialization=core_schema.plain_serializer_function_ser_schema(lambda c: c.to_spec()),
        )

    def to_spec(self) -> dict[str, Any]:
        """The form that a spec holds: ``use`` and every option, as JSON values."""
        return {"use": self.name, **self.model_dump(mode="json")}

    def identity(self) -> dict[str, Any]:
        """What a result depends on: every option, a file by its sha256, a folder not at all."""
        values = {field: _identity(getattr(self, field)) for field in type(self).model_fields}
        return {"use": self.name, **values}

    def missing(self) -> list[str]:
        """What this component and its parts need and cannot find, a sentence for each."""
        return [line for part in self.parts() for line in part.missing()]

    def parts(self) -> Iterator[Component]:
        """The components among the options."""
        for field in type(self).model_fields:
            value = getattr(self, field)
            for item in value if isinstance(value, tuple | list) else (value,):
                if isinstance(item, Component):
                    yield item
                elif isinstance(item, BaseModel):
                    yield from _parts_of_model(item)

    def walk(self) -> Iterator[Component]:
        """This component, its parts, and theirs."""
        yield self
        for part in self.parts():
            yield from part.walk()


def sha256_of(path: Path) -> str:
    """Hexadecimal sha256 of a file's content. Raises OSError where it cannot be read."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _identity(value: Any) -> Any:
    if isinstance(value, Component):
        return value.identity()
    if isinstance(value, BaseModel):
        return {field: _identity(getattr(value, field)) for field in type(value).model_fields}
    if isinstance(value, Path):
        return sha256_of(value) if value.is_file() else None
    if isinstance(value, tuple | list):
        return [_identity(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _identity(item) for key, item in value.items()}
    return value


def _parts_of_model(model: BaseModel) -> Iterator[Component]:
    for field in type(model).model_fields:
        value = getattr(model, field)
        for item in value if isinstance(value, tuple | list) else (value,):
            if isinstance(item, Component):
                yield item


def _mentions_set(annotation: Any) -> bool:
    origin = get_origin(annotation) or annotation
    return origin in (set, frozenset) or any(_mentions_set(a) for a in get_args(annotation))
