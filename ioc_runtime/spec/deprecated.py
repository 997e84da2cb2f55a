"""Fields that will go: marked in the models, warned about wherever a manifest is read.

    old: int = Field(0, description="…", json_schema_extra=deprecated("write `new` instead"))

`iocctl validate` warns of a manifest that has the field, editors strike it through, its
description says so, and with the chart the API server sends a warning, which kubectl prints.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, Final, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from ioc_runtime.spec.problem import Path

MESSAGE: Final = "deprecationMessage"
"""As editors call it in a JSON schema."""
LIST: Final = "[]"
MAP: Final = "{}"


def deprecated(instead: str) -> dict[str, Any]:
    """What a field is marked with; `instead` says what to do, as `write x instead`."""
    return {"deprecated": True, MESSAGE: instead}


def instead_of(field: FieldInfo) -> str:
    """What to do instead of using a field; "" for one that stays."""
    extra = field.json_schema_extra
    return str(extra.get(MESSAGE, "")) if isinstance(extra, dict) else ""


@cache
def deprecations(model: type[BaseModel]) -> dict[tuple[str, ...], str]:
    """Paths of all deprecated fields below a model, and what to do instead.

    A path has the fields' names, and `[]` or `{}` for the items of a list or a map.
    """
    return dict(_below(model, ()))


def _below(model: type[BaseModel], path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    for name, field in model.model_fields.items():
        here = (*path, field.alias or name)
        if words := instead_of(field):
            yield here, words
        for inner, more in _models(field.annotation):
            yield from _below(inner, (*here, *more))


def _models(
    annotation: Any, more: tuple[str, ...] = ()
) -> Iterator[tuple[type[BaseModel], tuple[str, ...]]]:
    """Models inside an annotation, each with what comes behind the field's name."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation, more
        return
    origin = get_origin(annotation)
    step = (MAP,) if origin is dict else (LIST,) if origin is list else ()
    for inner in get_args(annotation):
        yield from _models(inner, (*more, *step))


def used(manifest: BaseModel) -> Iterator[tuple[Path, str]]:
    """Where a manifest has deprecated fields, and what to do instead."""
    if deprecations(type(manifest)):
        yield from _used(manifest, ())


def _used(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(value, BaseModel):
        fields = type(value).model_fields
        for name in sorted(value.model_fields_set):
            here = (*path, fields[name].alias or name)
            if words := instead_of(fields[name]):
                yield here, words
            yield from _used(getattr(value, name), here)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _used(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _used(item, (*path, index))
