"""What to do about each reason of a condition: the last column of its table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ioc_operator import conditions as c

NOTHING: Final = "-"
WAIT: Final = "Wait; if it stays, `kubectl describe pod`."

REMEDIES: Final[Mapping[str, str]] = {
    c.RUNNING: NOTHING,
    c.PAUSED: "Put 1 to ENABLE when it is to go on.",
    c.PROBES_PASS: NOTHING,
    c.COMPLETED: NOTHING,
    c.PROGRESSING: "Wait; if it stays, the operator's log.",
    c.POD_MISSING: "Wait; if it stays, `kubectl describe statefulset NAME` (of a job: "
    "`kubectl describe job NAME-RUN`).",
    c.POD_TERMINATING: "Wait; if it stays, is its node up? Only if that is certainly down: "
    "`kubectl delete pod --force`.",
    c.POD_ENDED: WAIT,
    c.ROLLING: "Wait.",
    c.STARTING: WAIT,
    c.RESTARTING: "Look at the last lines of `kubectl ioc logs NAME --previous`.",
    c.NOT_REPORTED: "Wait; if it stays, `kubectl ioc logs NAME`: it says why a report is refused.",
    c.CONFIG_PENDING: "Wait: a minute where the kubelet is slow. If it stays, annotate "
    "`requestedAt`.",
    c.QUEUED: WAIT,
    c.RETRYING: "Look at why the attempt failed: `kubectl ioc logs NAME --previous`.",
    c.ENDING: "Wait.",
    c.FETCHING: "Wait.",
    c.SUSPENDING: "Wait.",
    c.NOT_READY: "`kubectl ioc logs NAME`; `kubectl describe pod` has the answers of the probes.",
    c.NODE_LOST: "Look at the node (`kubectl get nodes`). The PVs may still be served: look with "
    "a client before you start another.",
    c.TASK_ERROR: "MESSAGE and `kubectl ioc logs NAME` say what failed. It goes when that works "
    "again; mend the code, or annotate `restartedAt`.",
    c.TASK_ENDED: "`kubectl ioc logs NAME`; annotate `restartedAt` to start it again.",
    c.BAD_REPORT: "Is the runtime's image of another version? Else it is a fault of ours: report.",
    c.RECONCILE_DISABLED: "Take the annotation away when the operator is to act again.",
    c.INVALID_SPEC: "Mend what the message names; `iocctl validate FILE` shows all of it, before "
    "it is applied.",
    c.TESTS_FAILED: "`iocctl test FILE` shows the step; mend the rule or the test.",
    c.PV_CONFLICT: "Give one of the two another prefix or name, or delete the one that the "
    "message names.",
    c.NAME_TAKEN: "Give the task another name, or delete the object that the message names if it "
    "is not needed.",
    c.REFUSED: "Do as the message says: a quota, a policy, a field that the cluster does not take.",
    c.FORBIDDEN: "Install the chart's roles (`rbac.create`), in that namespace too "
    "(`watchNamespaces`).",
    c.IMAGE_PULL: "Is the image's name right, is it there, does `imagePullSecrets` have its "
    "registry?",
    c.CONTAINER_ERROR: "Make what the message names, or mend its name.",
    c.CRASH_LOOP: "`kubectl ioc logs NAME --previous`, and the exit code in `status.history` "
    "([what they mean](exit-codes.md)).",
    c.UNSCHEDULABLE: "Mend `nodeSelector`, `tolerations` or `resources`, or free a node: the "
    "message says what none has.",
    c.RUNTIME_TOO_OLD: "Annotate `restartedAt`, with a newer `image` (or `imagePolicy: Follow`).",
    c.PLAN_REFUSED: "The message says why; annotate `restartedAt` to begin anew with it.",
    c.PLUGIN_FAILED: "The traceback is in `kubectl ioc logs NAME`; mend the code, or annotate "
    "`restartedAt` where the cause is gone.",
    c.SOURCE_NOT_FOUND: "Mend the address, path or name in `plugin`; is the server up?",
    c.AUTH_FAILED: "Put a valid token or key into the Secret of `plugin.git.secretRef`.",
    c.REF_NOT_FOUND: "Push it, or mend `ref`.",
    c.HOST_KEY_MISMATCH: "Ask whose key it is before you put it into `known_hosts`.",
    c.TLS_FAILED: "Put the certificates of your server into the Secret, as `ca.crt`.",
    c.TIMEOUT: "Is the server slow, or does a firewall drop what is sent? It is tried again.",
    c.TOO_LARGE: "Take a `path` of it, or leave the data out.",
    c.BAD_SOURCE: "Take out what the message names.",
    c.DISK_FULL: "Free the volume, or give it more.",
    c.FETCH_FAILED: "Do as the message says.",
    c.BAD_REQUIREMENT: "Mend the line that the message names.",
    c.REQUIREMENT_CONFLICT: "Ask for the image's version, or build an image of your own.",
    c.REQUIREMENT_NOT_FOUND: "Mend the name or the version; is it in your index?",
    c.INDEX_UNREACHABLE: "Is the index up, and its address right (`plugins.index`)?",
    c.BUILD_FAILED: "Put a wheel of it into your index, or into an image of your own.",
    c.RUN_FAILED: "The message and `status.run` say why; mend it, then another `runId`.",
    c.JOB_DELETED: "Another `runId` runs it again.",
    c.SUSPENDED_BY_SPEC: "`suspend: false` when it is to run.",
    c.POD_READY: NOTHING,
    c.LOADED: NOTHING,
    c.PLUGIN_ENDED: "`kubectl ioc logs NAME` says why; annotate `restartedAt` to start it again.",
    c.ALL_VALID: NOTHING,
    c.RULES_INVALID: "Look at the inputs of the rules that the message names.",
    c.ALL_CONNECTED: NOTHING,
    c.DISCONNECTED: "Is the IOC of the named inputs up, and does "
    "[`network`](../howto/networks.md) say where it is?",
    c.NO_LIVE_REPORT: "Look at Ready: the pod is not there, or new.",
}
"""What to do, for a person at the terminal."""
