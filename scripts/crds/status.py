"""Schema of `status`: the operator's fields, and the runtime's own below `runtime`.

The operator's part is closed. Texts may be longer here than the operator makes them: a
bound that is met by accident would lose the whole write. The runtime's part is open at
every level, because a field that is not known to the schema fails a server-side apply,
and a runtime may be newer than the definitions in the cluster.
"""

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


def _open(description: str, most: int = 64, **properties: Schema) -> Schema:
    """A map of which not all fields need to be known here."""
    made: Schema = {
        "type": "object",
        "description": description,
        "maxProperties": most,
        "x-kubernetes-preserve-unknown-fields": True,
    }
    return made | ({"properties": properties} if properties else {})


CONDITION: Final = _map(
    "One thing that is so, is not so, or is not known.",
    type=_text("What it is about."),
    status={
        "type": "string",
        "enum": ["True", "False", "Unknown"],
        "description": "Whether it is so.",
    },
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
    pod=_text("The uid of its pod."),
)

RUNTIME: Final = _open(
    "What the pod says of itself; it writes this and nothing else, and no one else does.",
    podUID=_text("The uid of the pod that says it; of another one than the live pod it is old."),
    configHash=_text("Hash of the configuration in force."),
    observedGeneration=_whole("Generation of the object that the configuration was made from."),
    time=_time("When it was said."),
    state=_text("INIT, RUN, PAUSED, END or ERROR."),
    message=_text("The last thing to know.", 1024),
    inputs=_open("Input links: `connected` of `total`, and the first names of the others."),
    outputs=_open("Output links, likewise."),
    rules=_open("Ids of the rules that are active, and of those that cannot be judged."),
    plugin=_open("`state` of the plugin: none, loaded, failed or ended."),
    permits=_open("State of each permit.", 1000),
    latches=_open("Value of each latched output.", 1000),
    source=_open("Where the plugin came from; `commit` of a Git repository."),
    lastError=_open("`reason`, `text` and `time` of the last error."),
    refused=_open("A configuration that was not taken over: `configHash`, `reason`, `text`."),
    resetAt=_text("The last annotation `resetAt` that was seen."),
    job=_open("Of a job: its run, state, progress, result and exit code."),
)

COMMON: Final[dict[str, Schema]] = {
    "observedGeneration": _whole("Generation of the object that the status speaks of."),
    "phase": _text("One word for people; programs read the conditions."),
    "conditions": _list("What is so, with reasons.", 32, CONDITION),
    "summary": _map(
        "What the columns of kubectl show; Unknown unless the live pod has said it.",
        state=_text("State of the task."),
        inputs=_text("Connected inputs of all, as 12/12."),
        permits=_text("Either ok, or the first fault."),
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
    "runtime": RUNTIME,
}
RUN: Final = _map(
    "The present or last run.",
    number=_whole("Its number, from 1."),
    specHash=_text("Of what was to be run."),
    job=_text("The uid of its Job."),
    restartedAt=_text("The last annotation `restartedAt` that was known when it began."),
    stopped=_text("The same, while the Job is taken away because of a suspension."),
    startTime=_time("When it began."),
    completionTime=_time("When it ended, well or not."),
    exitCode=_whole("Exit code of its process."),
    message=_text("How it ended.", 4096),
    result={
        "description": "What it gave back, of whatever type.",
        "x-kubernetes-preserve-unknown-fields": True,
    },
)


def status(kind: str) -> Schema:
    """Schema of the status of a kind; -1 until the operator has seen the object."""
    properties = COMMON | ({"run": RUN} if kind == "IocJob" else {})
    made = _map("What is; written by the operator and the pod.", **properties)
    return made | {"default": {"observedGeneration": -1}}
