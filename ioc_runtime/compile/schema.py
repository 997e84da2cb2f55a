"""What the models refuse, as problems with the path, the expectation and a hint."""

from __future__ import annotations

import types
from collections.abc import Iterable
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from ioc_runtime.spec.base import PATTERNS, Model
from ioc_runtime.spec.document import Document
from ioc_runtime.spec.plugin import FILE_PATTERN
from ioc_runtime.spec.problem import MOST_PROBLEMS, NOTHING, Path, Problem, nearest

_WORDS = PATTERNS | {FILE_PATTERN: "a relative path of letters, digits and _ . - /"}
_TYPES = {
    "string_type": "a text",
    "float_type": "a number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a map",
    "model_type": "a map",
    "model_attributes_type": "a map",
    "finite_number": "a finite number",
    "missing": "this field",
    "string_unicode": "a text that UTF-8 can carry",
}


def check_schema(model: type[Model], document: Document) -> tuple[Any, list[Problem]]:
    """The document as a model, or None with what is wrong."""
    try:
        return model.model_validate(document.data), []
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=True)
        return None, [_problem(model, document, item) for item in details[:MOST_PROBLEMS]]
    except RecursionError:
        return None, [document.problem((), NOTHING, "fewer levels")]


def _problem(model: type[Model], document: Document, error: Any) -> Problem:
    kind, context = error["type"], error.get("ctx", {})
    path: Path = tuple(error["loc"])
    value = error["input"]
    if path and path[-1] == "[key]":  # a key of a map, not its value
        path = path[:-1]
    if kind == "missing":
        return document.problem(path, NOTHING, "this field")
    if kind == "extra_forbidden":
        fields = _fields(model, path[:-1])
        expected = f"a field of {_name(path[:-1])}" if fields else "no such field"
        return document.problem(path, NOTHING, expected, nearest(path[-1], fields))
    if kind == "literal_error":
        choices = _choices(model, path)
        return document.problem(path, value, _one_of(choices), nearest(value, choices))
    return document.problem(path, value, _expected(kind, context, value))


def _expected(kind: str, context: dict[str, Any], value: Any) -> str:
    match kind:
        case "greater_than":
            return f"a number above {context['gt']:g}"
        case "greater_than_equal":
            return f"a number of at least {context['ge']:g}"
        case "less_than":
            return f"a number below {context['lt']:g}"
        case "less_than_equal":
            return f"a number of at most {context['le']:g}"
        case "string_too_long":
            return f"at most {context['max_length']} characters, got {len(value)}"
        case "string_too_short":
            return f"at least {context['min_length']} characters"
        case "too_long":
            return f"at most {context['max_length']} entries, got {len(value)}"
        case "too_short":
            return f"at least {context['min_length']} entries"
        case "string_pattern_mismatch":
            return _WORDS.get(context["pattern"], f"a text like {context['pattern']}")
        case _:
            return _TYPES.get(kind, "another value")


def _name(path: Path) -> str:
    """What a model at this path is called: `an input`, `spec`."""
    names = {
        "inputs": "an input",
        "outputs": "an output",
        "rules": "a rule",
        "transforms": "a transform",
        "permits": "a permit",
        "requires": "a permit's condition",
        "tests": "a test",
        "steps": "a step",
    }
    if len(path) >= 2 and path[-2] in names:
        return names[str(path[-2])]
    return str(path[-1]) if path else "a manifest"


def _one_of(choices: Iterable[str]) -> str:
    *first, last = choices
    return f"{', '.join(first)} or {last}" if first else last


def _fields(model: type[Model], path: Path) -> list[str]:
    """Names of the fields of the model at a path, as they stand in a manifest."""
    found = _at(model, path)
    if not (isinstance(found, type) and issubclass(found, BaseModel)):
        return []
    return [field.alias or name for name, field in found.model_fields.items()]


def _choices(model: type[Model], path: Path) -> list[str]:
    return [str(choice) for choice in get_args(_at(model, path))] or ["another value"]


def _at(wanted: Any, path: Path) -> Any:
    """The type that stands at a path of a model."""
    for part in path:
        wanted = _inner(_bare(wanted), part)
    return _bare(wanted)


def _inner(wanted: Any, part: str | int) -> Any:
    if isinstance(wanted, type) and issubclass(wanted, BaseModel):
        for name, field in wanted.model_fields.items():
            if part in (field.alias, name):
                return field.annotation
        return None
    arguments = get_args(wanted)
    return arguments[-1] if get_origin(wanted) in (dict, list) else None


def _bare(wanted: Any) -> Any:
    """A type without Optional and Annotated."""
    if get_origin(wanted) in (Union, types.UnionType):
        wanted = next(a for a in get_args(wanted) if a is not types.NoneType)
    while hasattr(wanted, "__metadata__"):
        wanted = get_args(wanted)[0]
    return wanted
