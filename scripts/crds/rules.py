"""What a schema alone cannot say, in CEL, by the title of the model it belongs to.

Only what the compiler refuses too: the server must not be stricter than `iocctl
validate`. What would cost the server more than it may spend stays with the compiler, and
so does every value that may be of any type: CEL cannot see those.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

Rule = dict[str, Any]


def rule(cel: str, message: str, reason: str = "") -> Rule:
    """One entry of x-kubernetes-validations."""
    made = {"rule": cel, "message": message}
    return made | {"reason": reason} if reason else made


_SIGNAL: Final = (
    (
        "self.type != 'enum' || (has(self.states) && size(self.states) > 0)",
        "expected `states` with type enum",
    ),
    (
        "!has(self.states) || size(self.states) == 0 || self.type in ['enum', 'bool']",
        "expected type enum or bool with `states`",
    ),
    (
        "self.type != 'bool' || !has(self.states) || size(self.states) in [0, 2]",
        "expected two `states` for a bool",
    ),
)
_PREFIX: Final = (
    "!has(self.prefix) || !has(self.{0}) || self.{0}.all(k, size(self.prefix) + size(k) <= 60)"
)
_COMMON: Final = (
    (
        "!has(self.inputs) || !has(self.outputs) || self.inputs.all(k, !(k in self.outputs))",
        "expected names of outputs that no input has",
    ),
    (
        _PREFIX.format("inputs"),
        "expected names of inputs of at most 60 characters, prefix included",
    ),
    (
        _PREFIX.format("outputs"),
        "expected names of outputs of at most 60 characters, prefix included",
    ),
    (
        "has(self.storage) == has(oldSelf.storage)",
        "storage cannot be added or taken away: delete the object and create it again",
    ),
)

RULES: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "Range": (("self.low < self.high", "expected `low` below `high`"),),
    "Input": (
        *_SIGNAL,
        ("!has(self.poll) || has(self.link)", "expected a `link` with `poll`"),
        ("!has(self.link) || !has(self.drive)", "expected no `drive`: the input has a link"),
    ),
    "Output": (
        *_SIGNAL,
        ("!has(self.readback) || has(self.link)", "expected a `link` with `readback`"),
    ),
    "Plugin": (
        (
            "[has(self.git), has(self.inline), has(self.configMap), has(self.image), "
            "has(self.builtin)].filter(x, x).size() == 1",
            "expected exactly one of git, inline, configMap, image, builtin",
        ),
    ),
    "Storage": (
        (
            "self == oldSelf",
            "storage cannot be changed: delete the object and create it again",
        ),
    ),
    "TaskSpec": (
        *_COMMON,
        (
            "!has(self.report) || !has(self.report.enabled) || self.report.enabled || "
            "has(self.storage) || !has(self.outputs) || self.outputs.all(k, "
            "!has(self.outputs[k].latch) || (has(self.outputs[k].persist) && "
            "!self.outputs[k].persist))",
            "expected `storage`, or `persist: false` of every latched output: without reports "
            "nothing else keeps a latch",
        ),
    ),
    "JobSpec": (
        *_COMMON,
        ("has(self.plugin)", "expected a `plugin`: a job runs its code"),
        (
            "has(self.schedule) == has(oldSelf.schedule)",
            "a schedule cannot be added or taken away: delete the object and create it again",
        ),
    ),
}
