"""The custom resource definitions as a whole."""

from __future__ import annotations

from typing import Any, Final

from ioc_runtime.spec.job import JobSpec
from ioc_runtime.spec.task import TaskSpec
from scripts.crds.rules import of_object
from scripts.crds.status import status
from scripts.crds.structural import structural

Object = dict[str, Any]

GROUP: Final = "ioc-operator.dev"
KINDS: Final = {
    "IocTask": (TaskSpec, "ioct", "A soft IOC that follows PVs and evaluates rules."),
    "IocJob": (JobSpec, "iocj", "A procedure that runs once, as a soft IOC while it does."),
}


def column(name: str, path: str, kind: str = "string", *, wide: bool = False, text: str) -> Object:
    """One column of `kubectl get`."""
    made: Object = {"name": name, "type": kind, "jsonPath": path, "description": text}
    return made | {"priority": 1} if wide else made


def _condition(kind: str, field: str) -> str:
    return f'.status.conditions[?(@.type=="{kind}")].{field}'


def columns(kind: str) -> list[Object]:
    """READY STATE INPUTS PERMITS SINCE AGE, and REVISION REASON with -o wide."""
    made = [
        column("Ready", _condition("Ready", "status"), text="Whether it works."),
        column("State", ".status.summary.state", text="What the pod says of itself."),
        column("Inputs", ".status.summary.inputs", text="Connected inputs of all."),
    ]
    if kind == "IocTask":
        made.append(column("Permits", ".status.summary.permits", text="ok, or the first fault."))
    else:
        made.append(column("Run", ".status.run.number", "integer", text="Number of the run."))
    return [
        *made,
        column("Since", ".status.summary.since", "date", text="Last change of the state."),
        column(
            "Revision",
            ".status.runtime.source.commit",
            wide=True,
            text="Commit of the plugin.",
        ),
        column("Reason", _condition("Ready", "reason"), wide=True, text="Why it is so."),
        column("Age", ".metadata.creationTimestamp", "date", text="Age of the object."),
    ]


def definition(kind: str) -> Object:
    """One CustomResourceDefinition."""
    model, short, text = KINDS[kind]
    singular = kind.lower()
    plural = f"{singular}s"
    schema = {
        "type": "object",
        "description": text,
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": structural(model),
            "status": status(kind),
        },
        "x-kubernetes-validations": [of_object(kind)],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": kind,
                "listKind": f"{kind}List",
                "plural": plural,
                "singular": singular,
                "shortNames": [short],
                "categories": ["ioc"],
            },
            "versions": [
                {
                    "name": "v1alpha1",
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": columns(kind),
                    "schema": {"openAPIV3Schema": schema},
                }
            ],
        },
    }
