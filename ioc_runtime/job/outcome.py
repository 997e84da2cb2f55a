"""What came of a run: its last state, its exit code, and one sentence. Pure."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any, Final

from ioc_runtime.plugin.api import JobResult
from ioc_runtime.plugin.errors import NotYours

EXIT_DONE: Final = 0
EXIT_LOGIC: Final = 10
EXIT_IO: Final = 11
EXIT_EXCEPTION: Final = 12
EXIT_STALLED: Final = 13
EXIT_ABORTED: Final = 14
EXIT_STOPPED: Final = 16

MOST_DATA: Final = 2048
"""Bytes of a result's data as JSON: it is kept in the status."""
LONGEST_TEXT: Final = 256
"""Characters of the sentence."""
DEEPEST: Final = 20
"""Levels of lists and maps in a result's data."""

ABORT: Final = "ABORT"
STOP: Final = "STOP"
SIGTERM: Final = "SIGTERM"
TIMEOUT: Final = "TIMEOUT"
"""Why a run is ended from outside."""

_RESULT: Final = frozenset({"success", "message", "data", "timestamp"})


@dataclass(frozen=True)
class Outcome:
    """The end of a run."""

    state: str
    """One of `JOB_STATES`."""
    exit_code: int
    reason: str
    """One word of CamelCase, as conditions have it."""
    text: str = ""
    """For a person; "" where a success has nothing to add."""
    data: Any = None
    """What the code gave back, as JSON can hold it."""
    lost: str = ""
    """Why the code's data is not in `data`."""

    @property
    def success(self) -> bool:
        return self.exit_code == EXIT_DONE

    def as_dict(self) -> dict[str, Any]:
        """The result, for the report and the termination message."""
        found: dict[str, Any] = {"success": self.success, "message": self.text[:LONGEST_TEXT]}
        return found if self.data is None else found | {"data": self.data}


BROKEN: Final = Outcome(
    "Failed", EXIT_EXCEPTION, "Exception", "a fault of the runtime ended the run: see the log"
)


def returned(value: Any) -> Outcome:
    """The outcome when `execute` returned `value`."""
    result = _result(value)
    data, lost = fitting(result.data)
    text = _sentence(result.message)
    if result.success:
        return Outcome("Succeeded", EXIT_DONE, "Completed", text, data, lost)
    text = text or "the job says that it failed, and not why"
    return Outcome("Failed", EXIT_LOGIC, "LogicFailure", text, data, lost)


def raised(error: BaseException, sentence: str) -> Outcome:
    """The outcome when a method raised; `sentence` says where and what."""
    text = _sentence(sentence)
    # A wrong owner is a mistake in the code, although Python has it among I/O errors.
    if isinstance(error, OSError) and not isinstance(error, NotYours):
        return Outcome("Failed", EXIT_IO, "IOFailure", text)
    return Outcome("Failed", EXIT_EXCEPTION, "Exception", text)


def not_written(sentence: str) -> Outcome:
    """The outcome when the last value of an output did not reach its link."""
    return Outcome("Failed", EXIT_IO, "IOFailure", _sentence(sentence))


def ended(why: str, more: str = "", *, abort_failed: bool = False) -> Outcome:
    """The outcome when a run was ended from outside before its own end.

    :param why: ABORT, STOP, SIGTERM or TIMEOUT
    :param more: what else there is to say
    """
    text = f"{_ENDED[why]}{'; ' + more if more else ''}"
    if why == ABORT:
        state = "AbortFailed" if abort_failed else "Aborted"
        return Outcome(state, EXIT_ABORTED, state, _sentence(text))
    if why == TIMEOUT:
        return Outcome("Failed", EXIT_STALLED, "DeadlineExceeded", _sentence(text))
    return Outcome("Stopped", EXIT_STOPPED, "Stopped", _sentence(text))


_ENDED: Final = {
    ABORT: "aborted by CMD:ABORT",
    STOP: "stopped by CMD:STOP",
    SIGTERM: "stopped with its process",
    TIMEOUT: "not done in time (runTimeoutSeconds)",
}


def fitting(data: Any) -> tuple[Any, str]:
    """(the data as JSON can hold it, why it is left out)."""
    try:
        plain = _plain(data, 0)
        size = len(json.dumps(plain, ensure_ascii=False, allow_nan=False).encode())
    except Exception as error:  # a container or number of the plugin's own
        return None, f"the result's data is left out: {_sentence(str(error))}"
    if size > MOST_DATA:
        return None, f"the result's data is left out: {size} bytes of JSON, at most {MOST_DATA}"
    return plain, ""


def _result(value: Any) -> JobResult:
    if isinstance(value, JobResult):
        return value
    if isinstance(value, bool):
        return JobResult(value)
    if value is None:
        return JobResult(True)
    if (
        isinstance(value, dict)
        and isinstance(value.get("success"), bool)
        and not {*value} - _RESULT
    ):
        # what to_dict gives: a failure in it must not become the data of a success
        return JobResult(value["success"], value.get("data"), value.get("message") or "")
    return JobResult(True, value)


def _plain(value: Any, depth: int) -> Any:
    if depth > DEEPEST:
        raise ValueError(f"more than {DEEPEST} levels of lists and maps")
    if value is None or isinstance(value, bool | str | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if (
        getattr(value, "size", 0) > MOST_DATA
        or hasattr(value, "__len__")
        and len(value) > MOST_DATA
    ):
        raise ValueError(f"a {type(value).__name__} of more than {MOST_DATA} items")
    if isinstance(value, dict):
        return {str(key): _plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item, depth + 1) for item in value]
    if hasattr(value, "tolist"):  # numpy
        return _plain(value.tolist(), depth + 1)
    raise TypeError(f"a {type(value).__name__} is nothing that JSON can hold")


def _sentence(text: Any) -> str:
    """One line of text, whatever the code gave as one."""
    line = " ".join(str(text).split())
    return line if len(line) <= LONGEST_TEXT else f"{line[: LONGEST_TEXT - 1]}…"
