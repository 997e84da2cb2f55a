"""Warnings of the API server for deprecated fields: an admission policy that only warns.

A schema can mark a version as deprecated, not a field. A ValidatingAdmissionPolicy whose
binding says `Warn` refuses nothing; kubectl prints what it says behind "Warning:".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel

from ioc_runtime.spec.deprecated import LIST, MAP, deprecations

Object = dict[str, Any]
Paths = Mapping[tuple[str, ...], str]

MOST_NESTED: Final = 4
"""Lists and maps around a field: more cost the server more than it may spend."""


def policies(group: str, models: Mapping[str, type[BaseModel]], name: str) -> list[Object]:
    """A policy and its binding for each kind that has deprecated fields below `spec`.

    :param name: how the policies' names begin
    """
    made: list[Object] = []
    for kind, model in models.items():
        if paths := deprecations(model):
            made += policy(group, kind, paths, f"{name}-{kind.lower()}-deprecated")
    return made


def policy(group: str, kind: str, paths: Paths, name: str) -> list[Object]:
    """The policy of one kind, and its binding."""
    rules = {
        "apiGroups": [group],
        "apiVersions": ["*"],
        "operations": ["CREATE", "UPDATE"],
        "resources": [f"{kind.lower()}s"],
    }
    return [
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": name},
            "spec": {
                "failurePolicy": "Ignore",
                "matchConstraints": {"resourceRules": [rules]},
                "validations": [
                    {"expression": unused(path), "message": f"{shown(path)} will go: {instead}"}
                    for path, instead in sorted(paths.items())
                ],
            },
        },
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": name},
            "spec": {"policyName": name, "validationActions": ["Warn"]},
        },
    ]


def shown(path: tuple[str, ...]) -> str:
    """As `spec.inputs.NAME.old` or `spec.rules[].old`."""
    text = "spec"
    for step in path:
        text += "[]" if step == LIST else ".NAME" if step == MAP else f".{step}"
    return text


def unused(path: tuple[str, ...]) -> str:
    """CEL that holds while nothing at that path below `spec` is given."""
    if sum(step in (LIST, MAP) for step in path) > MOST_NESTED:
        raise ValueError(f"{shown(path)}: too deep for a policy")
    return _unused("dyn(object.spec)", path, 0)


def _unused(place: str, path: tuple[str, ...], depth: int) -> str:
    # `'x' in place`, not `has(place.x)`: the escapes of names that CEL has a use for, as
    # `for`, mean nothing where a policy looks at an object.
    step, *rest = path
    if step in (LIST, MAP):
        one = f"e{depth}"
        item = one if step == LIST else f"{place}[{one}]"
        return f"{place}.all({one}, {_unused(item, tuple(rest), depth + 1)})"
    missing = f"!('{step}' in {place})"
    if not rest:
        return missing
    inner = f"{place}['{step}']"
    return f"({missing} || {_unused(inner, tuple(rest), depth)})"


def template(made: list[Object], head: str) -> str:
    """The chart's template; "" without any policy."""
    documents = []
    for one in made:
        text = json.dumps(one, indent=2, ensure_ascii=False)
        if "{{" in text:
            raise ValueError("a policy that Helm would read as something else")
        documents.append(text)
    if not documents:
        return ""
    body = "\n---\n".join(documents)
    return f"{head}{{{{- if .Values.crds.enabled }}}}\n{body}\n{{{{- end }}}}\n"
