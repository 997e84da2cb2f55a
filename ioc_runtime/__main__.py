"""The serving process: `python -m ioc_runtime PLAN`.

It says what it does as JSON lines on standard output (docs/architecture.md). People
use `iocctl run`, which starts it.
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ioc_runtime.plan import Plan, PlanError, from_json
from ioc_runtime.task.ending import Ending
from ioc_runtime.task.logs import LogKeeper
from ioc_runtime.task.saying import Sayings, to_stderr
from ioc_runtime.version import __version__

if TYPE_CHECKING:
    from ioc_runtime.plugin.fetched import Fetched
    from ioc_runtime.pod.pod import Pod

SWITCH_INTERVAL: Final = 1e-5
"""Seconds after which a plugin that computes lets go. Ten times as long doubles the
reaction beside one (docs/performance.md); without one it makes no difference."""

EXIT_IO: Final = 11
EXIT_EXCEPTION: Final = 12
EXIT_BAD_SPEC: Final = 15


def main(arguments: list[str] | None = None) -> int:
    """Run one plan until a signal or its own end; returns the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if (options.follow or options.pod) and options.plan == "-":
        parser.error("the plan is followed as a file, so it cannot come from standard input")
    if options.with_parent and options.plan == "-":
        parser.error("--with-parent follows standard input, so the plan cannot come from there")
    began = _process_start()
    # What C libraries print on descriptor 1 must not get between our lines.
    said_to = os.dup(1)
    os.dup2(2, 1)
    # A plugin's print is to be seen when it is made, and not to be lost at the end.
    sys.stdout = os.fdopen(1, "w", buffering=1, errors="replace", closefd=False)
    sayings = Sayings(said_to)
    logs = _log_to(sayings)
    try:
        pod = _pod() if options.pod else None
        plan = _plan(options.plan)
        options.fetched = _fetched(options.plugin)
        if options.fetched is not None and options.fetched.plan is not None:
            plan = _plan(options.fetched.plan)
        _whole(plan)
        if options.check:
            return _check(plan, options.fetched, sayings)
        return _serve(plan, options, sayings, logs, began, pod)
    except Refused as refused:
        sayings.say("error", reason=refused.reason, text=str(refused), exit=refused.exit_code)
        sayings.close()
        to_stderr(str(refused))
        if options.pod:
            _leave(refused.reason, str(refused), refused.exit_code)
        return refused.exit_code
    except BaseException as error:
        if options.pod:
            _leave("Exception", f"{type(error).__name__}: {error}", EXIT_EXCEPTION)
        raise


class Refused(Exception):
    """The process ends before it served anything; the text is for a person."""

    def __init__(self, reason: str, text: str, exit_code: int) -> None:
        super().__init__(text)
        self.reason, self.exit_code = reason, exit_code


def _plan(path: str) -> Plan:
    try:
        return from_json(_read(path))
    except OSError as error:
        text = f"the plan {path} cannot be read: {error.strerror}"
        raise Refused("BadPlan", text, EXIT_BAD_SPEC) from None
    except (PlanError, UnicodeDecodeError) as error:
        raise Refused("BadPlan", f"{path}: {error}", EXIT_BAD_SPEC) from None


def _fetched(path: Path | None) -> Fetched | None:
    if path is None:
        return None
    from ioc_runtime.plugin.fetched import Fetched, NotFetched

    try:
        return Fetched.read(path)
    except NotFetched as error:
        raise Refused("PluginFailed", f"plugin: {error}", EXIT_BAD_SPEC) from None


def _whole(plan: Plan) -> None:
    """Refuse a plan that leaves it to a file what there is, if that has not been read."""
    plugin = plan.plugin
    if plugin is not None and plugin.config is not None and not plugin.config_read:
        text = f"the plan is in the plugin's {plugin.config}, which has not been read"
        raise Refused("BadPlan", text, EXIT_BAD_SPEC)


def _check(plan: Plan, fetched: Fetched | None, sayings: Sayings) -> int:
    """Import the plugin, as the start would, and serve nothing."""
    from ioc_runtime.pod.termination import leave
    from ioc_runtime.task.parts import CannotStart, load_plugin

    try:
        loaded = load_plugin(plan, fetched)
    except CannotStart as error:
        _leave(error.reason, str(error), error.exit_code)
        raise Refused(error.reason, str(error), error.exit_code) from None
    if loaded is not None:
        loaded.close()
    source = fetched.source if fetched is not None else {}
    leave(json.dumps({"source": source}))
    sayings.say("checked", source=source)
    sayings.close()
    return 0


def _pod() -> Pod:
    from ioc_runtime.pod.pod import BadEnvironment, CannotListen, Pod

    try:
        return Pod()
    except BadEnvironment as error:
        raise Refused("BadEnvironment", str(error), EXIT_BAD_SPEC) from None
    except CannotListen as error:
        raise Refused("PortTaken", str(error), EXIT_IO) from None


def _leave(reason: str, text: str, exit_code: int) -> None:
    from ioc_runtime.pod.termination import last_words, leave

    leave(last_words(reason, text, exit_code))


def _serve(
    plan: Plan,
    options: argparse.Namespace,
    sayings: Sayings,
    logs: LogKeeper,
    began: float,
    pod: Pod | None,
) -> int:
    ending = Ending()
    ending.on_signals()
    if options.with_parent:
        ending.with_parent()
    sys.setswitchinterval(SWITCH_INTERVAL)
    from ioc_runtime.task.parts import describe
    from ioc_runtime.task.task import CannotStart, Options, Task

    sayings.say("starting", **describe(plan))
    serving: type[Task] = Task
    if plan.kind == "IocJob":
        from ioc_runtime.job.job_task import JobTask
        from ioc_runtime.job.outcome import EXIT_STOPPED

        serving = JobTask
        ending.exit_code = EXIT_STOPPED  # until the run says what came of it
    task = serving(
        plan,
        Options(
            state_directory=options.state,
            ca_port=options.ca_port,
            pva_port=options.pva_port,
            snapshot=options.snapshot,
            search=not options.no_search,
            record=options.record,
            fetched=options.fetched,
        ),
        sayings,
        logs,
    )
    task.finished = ending.ask
    try:
        task.start()
    except CannotStart as error:
        raise Refused(error.reason, str(error), error.exit_code) from None
    gc.collect()
    gc.freeze()  # what lives now lives as long as the process: no collection walks it
    sayings.say("ready", seconds=round(time.time() - began, 3), records=task.records)
    follower = None
    if options.follow or pod is not None:
        from ioc_runtime.task.follow import Follower

        follower = Follower(Path(options.plan), task)
    if pod is not None:
        pod.serving(task, Path(options.plan))
    if follower is not None:
        follower.start()
    if task.job is not None and not ending.asked:
        task.job.begin()
    ending.wait()
    if pod is not None:
        pod.stopping()
    if follower is not None:
        follower.stop()
    task.stop()
    if pod is not None:
        pod.stopped(task)
    sayings.say("stopped", exit=task.exit_code)
    sayings.close()
    return task.exit_code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m ioc_runtime", description=__doc__)
    parser.add_argument("plan", help="file with the plan, - for standard input")
    parser.add_argument("--state", type=Path, metavar="DIR", help="keep latches and set-points")
    parser.add_argument("--ca-port", type=int, metavar="N", help="port of Channel Access")
    parser.add_argument("--pva-port", type=int, metavar="N", help="port of PV Access")
    parser.add_argument("--snapshot", type=float, metavar="SECONDS", help="say a snapshot so often")
    parser.add_argument("--record", type=Path, metavar="FILE", help="record all events")
    parser.add_argument(
        "--plugin",
        type=Path,
        metavar="FILE",
        help="what `python -m ioc_runtime.fetch` has made ready",
    )
    parser.add_argument(
        "--check", action="store_true", help="import the plugin, serve nothing, and end"
    )
    parser.add_argument(
        "--no-search", action="store_true", help="serve without looking for the names first"
    )
    parser.add_argument(
        "--follow", action="store_true", help="take over what is written to the plan's file"
    )
    parser.add_argument(
        "--pod",
        action="store_true",
        help="follow the plan, answer probes and report, as docs/operator.md says",
    )
    parser.add_argument("--with-parent", action="store_true", help="stop when standard input ends")
    parser.add_argument("--version", action="version", version=__version__)
    return parser


def _read(path: str) -> str:
    if path == "-":
        return sys.stdin.read()
    return Path(path).read_text(encoding="utf-8")


def _log_to(sayings: Sayings) -> LogKeeper:
    keeper = LogKeeper(sayings)
    root = logging.getLogger()
    root.handlers = [keeper]
    root.setLevel(logging.INFO)
    return keeper


def _process_start() -> float:
    """When this process was started, as time.time() counts; now where that is not known."""
    try:
        fields = Path("/proc/self/stat").read_text().rsplit(")", 1)[1].split()
        up = float(Path("/proc/uptime").read_text().split()[0])
        return time.time() - up + int(fields[19]) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return time.time()


if __name__ == "__main__":
    try:
        code = main()
    except Exception:
        logging.getLogger("ioc_runtime").exception("the process broke")
        code = EXIT_EXCEPTION
    # The EPICS libraries' own exit handlers wait for their threads; all that has to
    # be kept is on the disk, and clients see the sockets close either way.
    sys.stderr.flush()
    os._exit(code)
