"""The tables of fields: one for each model of `ioc_runtime.spec`."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, Final, get_args, get_origin

from pydantic import BaseModel

from ioc_runtime.compile.unbuilt import JOB_PARTS, PARTS
from ioc_runtime.spec.base import Model
from ioc_runtime.spec.deploy import Deploy
from ioc_runtime.spec.job import IocJob, JobSpec
from ioc_runtime.spec.signals import Input, Output, Signal
from ioc_runtime.spec.task import Common, IocTask, TaskSpec
from scripts.reference.markdown import code, table
from scripts.reference.words import TITLES, default, kind

_SHARED: Final = {TaskSpec: Common, JobSpec: Common, Common: Deploy, Input: Signal, Output: Signal}
"""Models whose fields are in part those of another one, which has a table of its own."""
MARK: Final = "¹"
"""Behind a field that is refused, or one value of which is."""
_UNBUILT: Final = {".".join(map(str, ("spec", *path))) for _, path, _ in (*PARTS, *JOB_PARTS)}
_BELOW: Final = tuple(path + more for path in _UNBUILT for more in (".", "["))


def fields() -> str:
    """All tables, each under its heading."""
    places = _places()
    models = {model.__name__: model for model in places}
    if differ := models.keys() ^ TITLES.keys():
        raise LookupError(f"a model without a title, or a title without a model: {differ}")
    return "\n".join(_section(models[name], places[models[name]]) for name in TITLES)


def _section(model: type[BaseModel], paths: list[str]) -> str:
    title, about = TITLES[model.__name__], (model.__doc__ or "").split("\n")[0]
    where = f"{', '.join(map(code, paths))}: " if paths != [""] else ""
    if all(path in _UNBUILT or path.startswith(_BELOW) for path in paths):
        about += f" Not built yet{MARK}."
    schema = model.model_json_schema(by_alias=True)["properties"]
    shared = _SHARED.get(model)
    rows = []
    for name, field in model.model_fields.items():
        if shared is not None and name in shared.model_fields:
            continue
        alias = field.alias or name
        mark = MARK if _UNBUILT & {f"{path}.{alias}" for path in paths} else ""
        rows.append(
            (code(alias) + mark, kind(schema[alias]), default(field), field.description or "")
        )
    head = ("Field", "Value", "Default", "Meaning")
    return f"## {title}\n\n{where}{about}\n\n{table(head, rows)}"


def _places() -> dict[type[BaseModel], list[str]]:
    """Every model that a manifest can hold, and the paths at which it may stand.

    Of a model that tasks have, only those in a task.
    """
    places = _below(IocTask)
    return places | {model: at for model, at in _below(IocJob).items() if model in _of_jobs()}


@cache
def _of_jobs() -> frozenset[type[BaseModel]]:
    """Models that jobs alone have."""
    return frozenset(_below(IocJob).keys() - _below(IocTask).keys() - {IocJob})


def _below(root: type[BaseModel]) -> dict[type[BaseModel], list[str]]:
    places: dict[type[BaseModel], list[str]] = {}

    def note(model: type[BaseModel], path: str) -> None:
        seen = places.setdefault(model, [])
        if path not in seen:
            seen.append(path)
        if model in _SHARED:
            note(_SHARED[model], path)

    def walk(model: type[BaseModel], path: str) -> None:
        note(model, path)
        for name, field in model.model_fields.items():
            step = field.alias or name
            for inner, more in _models(field.annotation):
                walk(inner, f"{path}.{step}{more}".removeprefix("."))

    walk(root, "")
    return places


def _models(annotation: Any, more: str = "") -> Iterator[tuple[type[Model], str]]:
    """Models inside an annotation, each with what comes behind the field's name."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation, more  # type: ignore[misc]
    elif get_origin(annotation) is dict:
        yield from _models(get_args(annotation)[1], f"{more}.NAME")
    elif get_origin(annotation) is list:
        yield from _models(get_args(annotation)[0], f"{more}[]")
    else:
        for inner in get_args(annotation):
            yield from _models(inner, more)
