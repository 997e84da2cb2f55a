"""Schema of `status`: the operator's fields, and the runtime's own below `runtime`."""

from __future__ import annotations

from typing import Any, Final

Schema = dict[str, Any]


def _text(description: str, longest: int = 253) -> Schema:
    return {"type": "string", "maxLength": longest, "description": description}


def _time(description: str) -> Schema:
    return {"type": "string", "format": "date-time", "description": description}


def _whole(description: str) -> Schema:
    return {"type": "integer", "format": "int64", "description": description}


def _map(description: str, **properties: Schema) -> Schema:
    return {"type": "object", "description": description, "properties": properties}


def _list(description: str, most: int, items: Schema) -> Schema:
    return {
        "type": "array",
        "description": description,
        "maxItems": most,
        "x-kubernetes-list-type": "atomic",
        "items": items,
    }


def _open(description: str) -> Schema:
    return {
        "type": "object",
        "description": description,
        "x-kubernetes-preserve-unknown-fields": True,
    }


CONDITION: Final = _map(
    "One thing that is so, is not so, or is not known.",
    type=_text("What it is about."),
    status={"type": "string", "enum": ["True", "False", "Unknown"], "description": "Is it so?"},
    reason=_text("A word for programs.", 1024),
    message=_text("A sentence for people.", 4096),
    observedGeneration=_whole("Generation of the object that this speaks of."),
    lastTransitionTime=_time("When `status` changed last."),
) | {"required": ["type", "status"]}

END: Final = _map(
    "One end of a container.",
    time=_time("When."),
    reason=_text("Why: Error, OOMKilled, Evicted, Completed, ..."),
    exitCode=_whole("Exit code, where there was one."),
    message=_text("The last that it said.", 4096),
    pod=_text("uid of its pod."),
)

COMMON: Final[dict[str, Schema]] = {
    "observedGeneration": _whole("Generation of the object that the status speaks of."),
    "phase": _text("One word for people; programs read the conditions."),
    "conditions": _list("What is so, with reasons.", 32, CONDITION),
    "summary": _map(
        "What the columns of kubectl show; Unknown unless the live pod has said it.",
        state=_text("State of the task."),
        inputs=_text("Connected inputs of all, as 12/12."),
        permits=_text("ok, or the first fault."),
        since=_time("Last change of the state."),
    ),
    "claim": _map("PV names that the object owns.", prefix=_text("Start of the names.")),
    "pod": _map(
        "The pod.",
        name=_text("Its name."),
        uid=_text("Its uid."),
        node=_text("Node that it runs on."),
        ip=_text("Its address."),
        restarts=_whole("Restarts of its container."),
        startedAt=_time("When its container was started."),
        image=_text("Image of its container.", 1024),
    ),
    "history": _list("The last ends of containers, the newest last.", 10, END),
    "lastHandledReconcileAt": _text("The last `requestedAt` that was carried out.", 1024),
    "runtime": _open("What the pod says of itself; it writes this and nothing else."),
}
RUN: Final = (
    _map(
        "The present or last run.",
        number=_whole("Its number, from 1."),
        specHash=_text("Of what was to be run."),
        job=_text("uid of its Job."),
        startTime=_time("When it began."),
        completionTime=_time("When it ended, well or not."),
        exitCode=_whole("Exit code of its process."),
        message=_text("How it ended.", 4096),
    )
    | {}
)
RUN["properties"]["result"] = _open("What it gave back.")


def status(kind: str) -> Schema:
    """Schema of the status of a kind; -1 until the operator has seen the object."""
    properties = COMMON | ({"run": RUN} if kind == "IocJob" else {})
    made = _map("What is; written by the operator and the pod.", **properties)
    return made | {"default": {"observedGeneration": -1}}
