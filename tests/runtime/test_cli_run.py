"""`iocctl run`: a parent that shows a serving process and never leaves it behind."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.epics_env import EpicsEnv
from support.git_host import Repo
from support.spawn import ROOT, Spawn, Spawned

MANIFEST = """\
apiVersion: ioc-operator.dev/v1alpha1
kind: IocTask
metadata: {name: guard}
spec:
  prefix: "%s"
  parameters: {limit: 10}
  inputs:
    level: {type: float, value: 3, unit: mm}
  outputs:
    alarm: {type: bool, states: [OK, HIGH], severity: {HIGH: MAJOR}}
    twice: {type: float, unit: mm}
  transforms: [{output: twice, expression: "2 * level"}]
  ruleDefaults: {alarm: OK}
  rules:
    - {id: high, condition: "level > limit", outputs: {alarm: HIGH}, message: "too high"}
"""


class Runs:
    """Starts `iocctl run` on a manifest of its own."""

    def __init__(self, spawn: Spawn, env: EpicsEnv, directory: Path) -> None:
        self._spawn = spawn
        self.env = env
        self.variables: dict[str, str] = {}
        """What it finds in its environment beside EPICS."""
        self.prefix = env.prefix
        self.file = directory / "guard.yaml"
        self.file.write_text(MANIFEST % env.prefix)

    def __call__(self, *options: str, place: int = 0, ready: bool = True) -> Spawned:
        started = self.iocctl(
            "run", str(self.file), "--state", f"state-{place}", *options, place=place
        )
        if ready:
            started.wait_for("ready after")
        return started

    def iocctl(self, *words: str, place: int = 0) -> Spawned:
        variables = self.env.server(place) | self.variables
        return self._spawn("-m", "ioc_runtime.cli", *words, env=variables)

    def pv(self, *words: str) -> str:
        """Output of `iocctl pv`, which must go well."""
        process = self.iocctl("pv", words[0], "-w", "15", *words[1:])
        assert process.wait(30) == 0, process.errors
        return process.output


@pytest.fixture
def run(spawn: Spawn, epics_env: EpicsEnv, tmp_path: Path) -> Iterator[Runs]:
    yield Runs(spawn, epics_env, tmp_path)


def test_what_is_saved_comes_into_force_and_what_is_wrong_is_shown(run: Runs):
    task = run("--watch")
    good = run.file.read_text()
    run.file.write_text(good.replace("limit: 10", "limit: 1"))
    task.wait_for("rule high is active")
    run.file.write_text(good.replace("level > limit", "levle > limit"))
    task.wait_for("spec.rules[0].condition")
    task.wait_for("the last good one runs on")
    assert "ACTIVE" in run.pv("get", f"{run.prefix}RULE:high")
    run.file.write_text(good.replace("2 * level", "3 * level").replace("unit: mm", "unit: cm"))
    task.wait_for("rule high is no longer active")
    assert "9 cm" in run.pv("get", f"{run.prefix}twice")
    run.file.write_text(good.replace("  outputs:", "    more: {type: float}\n  outputs:"))
    task.wait_for("restarted: inputs.more is new, ")
    assert task.stop() == 0


def serving_pid(task: Spawned) -> int:
    """Process id of the serving process, as it said."""
    found = re.search(r"pid (\d+)", task.wait_for(" starts: "))
    assert found is not None
    return int(found[1])


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


def until(what: Callable[[], bool], timeout: float = 10.0) -> None:
    deadline = time.monotonic() + timeout
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_manifest_is_served_and_each_change_is_one_line(run: Runs):
    task = run()
    p = run.prefix
    assert "6 mm" in run.pv("get", f"{p}twice")
    run.pv("put", f"{p}level", "11")
    task.wait_for("output alarm HIGH MAJOR")
    task.wait_for("too high")
    task.wait_for("rule high is active")
    assert f"{p}level" in task.wait_for("  put ")
    alarm = json.loads(run.pv("get", "-o", "json", f"pva://{p}alarm"))
    assert (alarm["text"], alarm["severity"]) == ("HIGH", "MAJOR")
    lines = [line[14:] for line in task.lines]
    assert lines[0].startswith(f"guard starts: prefix {p}, mode reactive")
    assert len(lines) == len(set(lines)), "a line came twice"
    started = time.monotonic()
    assert task.stop() == 0
    assert time.monotonic() - started < 4
    assert task.errors == ""


def test_prefix_and_set_change_the_manifest_and_for_ends_it_with_0(run: Runs):
    other = run.prefix + "OTHER:"
    task = run("--prefix", other, "--set", "parameters.limit=2", "--for", "3")
    assert f"prefix {other}," in task.wait_for(" starts: ")
    task.wait_for("output alarm HIGH MAJOR")  # 3 is above 2
    assert task.wait(20) == 0


def test_a_setpoint_outlives_the_process_in_the_state_directory(run: Runs):
    task = run()
    run.pv("put", f"{run.prefix}level", "7")
    assert task.stop() == 0
    task = run()
    assert "14 mm" in run.pv("get", f"{run.prefix}twice")
    assert task.stop() == 0


def test_a_bad_manifest_gives_every_problem_with_its_line_and_exit_code_15(run: Runs):
    text = run.file.read_text()
    run.file.write_text(text.replace("level > limit", "levle > limit").replace("2 * l", "2 ** * l"))
    task = run(ready=False)
    assert task.wait(20) == 15
    assert task.output == ""
    assert "guard.yaml:15: spec.rules[0].condition" in task.errors
    assert "did you mean level?" in task.errors
    assert "spec.transforms[0].expression" in task.errors
    assert "Traceback" not in task.errors


def test_mistakes_of_usage_have_exit_code_2_and_no_traceback(run: Runs):
    empty = run.file.parent / "empty"
    empty.mkdir()
    for words in (
        ["run", "not-there.yaml"],
        ["run", str(empty)],
        ["run", str(run.file), "--set", "limit"],
        ["run", str(run.file), "--ca-port", "70000"],
        ["run", str(run.file), "--state", "/proc/no"],
        ["run"],
    ):
        task = run.iocctl(*words)
        assert task.wait(20) == 2, words
        assert task.errors
        assert "Traceback" not in task.errors


def test_a_port_that_was_asked_for_and_is_taken_is_named(run: Runs):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        port = taken.getsockname()[1]
        task = run("--ca-port", str(port), ready=False)
        assert task.wait(20) == 11
    assert re.search(rf"^iocctl: .*CA port {port} is taken", task.errors, re.M), task.errors
    assert len(task.errors.splitlines()) == 1
    assert "Traceback" not in task.output


def test_a_pv_that_somebody_serves_already_is_refused_and_names_who(run: Runs):
    first = run()
    second = run(place=1, ready=False)
    assert second.wait(30) == 15
    assert f"{run.prefix}alarm" in second.errors
    assert str(run.env.places[0].ca) in second.errors
    assert "Traceback" not in second.errors + second.output
    assert first.stop() == 0


def test_a_serving_process_that_is_killed_is_reported_with_its_signal(run: Runs):
    task = run()
    os.kill(serving_pid(task), signal.SIGKILL)
    assert task.wait(10) == 128 + signal.SIGKILL
    assert "ended by SIGKILL" in task.errors


def test_a_parent_that_is_killed_leaves_nothing_behind(run: Runs):
    task = run()
    pid = serving_pid(task)
    task.kill()
    until(lambda: gone(pid), timeout=5)
    os.waitpid(pid, 0)  # the test process adopts orphans


def test_a_second_ctrl_c_kills_a_serving_process_that_hangs(run: Runs):
    task = run()
    os.kill(serving_pid(task), signal.SIGSTOP)
    task.popen.send_signal(signal.SIGINT)
    task.wait_for("Ctrl-C again kills it")
    task.popen.send_signal(signal.SIGINT)
    assert task.wait(10) == 128 + signal.SIGKILL


INTERRUPTED = """
import signal, sys
from pathlib import Path
from ioc_runtime.cli.plain import PlainLines
from ioc_runtime.cli.session import serving
from ioc_runtime.compile import compile_text

class Interrupted(PlainLines):
    interrupted = False

    def show(self, event):
        if event["say"] == "ready":
            self.interrupted = True
            signal.raise_signal(signal.SIGINT)
            for _ in range(1000):  # the handler runs between two of these, if not before
                pass
            self.interrupted = False
        super().show(event)

    def say(self, text):
        if self.interrupted:  # what a buffered stream and a live table do
            raise RuntimeError("reentrant call")
        super().say(text)

(one,) = compile_text(Path(sys.argv[1]).read_text())
with serving(one.plan, ["--state", sys.argv[2]], Interrupted) as session:
    sys.exit(session.run())
"""


def test_ctrl_c_while_a_line_is_being_written_ends_it_as_at_any_other_moment(
    run: Runs, spawn: Spawn, tmp_path: Path
):
    words = ("-c", INTERRUPTED, str(run.file), str(tmp_path / "state"))
    process = spawn(*words, env=run.env.server(0))
    assert process.wait(30) == 0, process.report("did not end well")
    assert "stopping; Ctrl-C again kills it" in process.output


@contextmanager
def on_a_terminal(run: Runs, **more: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """`iocctl run` with a terminal of 80 columns and 24 lines."""
    ours, its = pty.openpty()
    os.set_blocking(ours, False)
    env = os.environ | run.env.server(0) | {"TERM": "xterm-256color", "PYTHONPATH": str(ROOT)}
    env |= {"COLUMNS": "80", "LINES": "24", "XDG_STATE_HOME": str(run.file.parent)} | more
    process = subprocess.Popen(
        [sys.executable, "-m", "ioc_runtime.cli", "run", str(run.file)],
        stdin=its,
        stdout=its,
        stderr=its,
        env=env,
        start_new_session=True,
    )
    os.close(its)
    try:
        yield process, ours
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def read_until(terminal: int, part: str, seen: str = "", timeout: float = 20.0) -> str:
    deadline = time.monotonic() + timeout
    while part not in seen:
        assert time.monotonic() < deadline, seen
        try:
            seen += os.read(terminal, 65536).decode("utf-8", "replace")
        except BlockingIOError:
            time.sleep(0.02)
        except OSError:  # the other end has closed
            assert part in seen, seen
    return seen


@pytest.mark.parametrize("no_color", [False, True])
def test_a_terminal_gets_a_live_table_and_colours_only_where_wanted(run: Runs, no_color: bool):
    with on_a_terminal(run, **({"NO_COLOR": "1"} if no_color else {})) as (process, terminal):
        seen = read_until(terminal, "evaluations/s")
        run.pv("put", f"{run.prefix}level", "11")
        seen = read_until(terminal, "active: ", seen)
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
    for part in ("guard", "inputs", "level", "outputs", "alarm", "HIGH", "MAJOR", "rules"):
        assert part in seen
    coloured = re.search(r"\x1b\[[0-9;]*3[0-7][;m]", seen) is not None
    assert coloured is not no_color
    assert "Traceback" not in seen


JOB = """\
apiVersion: ioc-operator.dev/v1alpha1
kind: IocJob
metadata: {name: ramp}
spec:
  prefix: "%s"
  runArgs: {args: [%s]}
  plugin:
    inline:
      files:
        ramp.py: |
          def main(job, wanted):
              for n in range(1, 4):
                  job.progress(n / 4, f"step {n}")
                  job.sleep(0.6)
              if wanted == "fails":
                  raise RuntimeError("quench")
              return wanted == "good"
"""


@pytest.mark.parametrize(
    ("wanted", "code", "words"),
    [
        ("good", 0, ""),
        ("bad", 10, "iocctl: the job says that it failed, and not why"),
        ("fails", 12, "iocctl: execute failed: ramp.py:6: RuntimeError: quench"),
    ],
)
def test_a_job_is_shown_while_it_runs_and_ends_with_its_exit_code(
    run: Runs, wanted: str, code: int, words: str
):
    run.file.write_text(JOB % (run.prefix, wanted))
    job = run()
    assert job.wait(20) == code, job.report("ended otherwise")
    lines = [line[14:] for line in job.output.splitlines()]
    assert [line for line in lines if "step" in line] == [
        "25 % done: step 1",
        "50 % done: step 2",
        "75 % done: step 3",
    ]
    assert any(line.startswith("Succeeded" if code == 0 else "Failed") for line in lines)
    assert job.errors.strip() == words


def test_ctrl_c_stops_a_job_with_16(run: Runs):
    run.file.write_text(JOB % (run.prefix, "good"))
    job = run()
    job.wait_for("25 % done")
    job.popen.send_signal(signal.SIGINT)
    assert job.wait(10) == 16
    assert "stopped with its process" in job.errors


def test_a_plugin_from_git_is_fetched_before_it_is_served(
    spawn: Spawn, epics_env: EpicsEnv, tmp_path: Path
):
    repo = Repo("tasks", tmp_path / "checkout", tmp_path / "tasks.git")
    code = "from ioc_runtime import TaskBase\nclass G(TaskBase):\n    pass\n"
    commit = repo.commit({"guard/guard.py": code})
    manifest = tmp_path / "task.yaml"
    manifest.write_text(
        "apiVersion: ioc-operator.dev/v1alpha1\nkind: IocTask\nmetadata: {name: g}\n"
        f"spec: {{prefix: 'GIT:', plugin: {{git: {{url: '{repo.bare}', path: guard}}}}}}\n"
    )
    env = epics_env.server(0) | {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    words = ["-m", "ioc_runtime.cli", "run", str(manifest), "--state", str(tmp_path / "state")]
    task = spawn(*words, "--for", "1", env=env)
    assert task.wait(timeout=30) == 0
    text = task.output + task.errors
    assert commit[:12] in text and "ready after" in text
    again = spawn(*words, "--set", "plugin.git.ref=nothing", env=env)
    assert again.wait(timeout=30) == 15
    assert "RefNotFound: plugin:" in again.errors


def test_a_directory_written_for_iocmng_runs_from_git_as_it_is(
    spawn: Spawn, epics_env: EpicsEnv, tmp_path: Path
):
    repo = Repo("tasks", tmp_path / "checkout", tmp_path / "tasks.git")
    place = ROOT / "tests" / "data" / "iocmng" / "continuous"
    repo.commit({f"m/{path.name}": path.read_text() for path in place.iterdir() if path.is_file()})
    manifest = tmp_path / "task.yaml"
    manifest.write_text(
        "apiVersion: ioc-operator.dev/v1alpha1\nkind: IocTask\nmetadata: {name: g}\n"
        "spec:\n  prefix: 'GIT:MNG:'\n  plugin:\n    config: config.yaml\n"
        f"    git: {{url: '{repo.bare}', path: m}}\n"
    )
    env = epics_env.server(0) | {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    words = ["-m", "ioc_runtime.cli", "run", str(manifest), "--state", str(tmp_path / "state")]
    task = spawn(*words, "--for", "1", env=env)
    assert task.wait(timeout=30) == 0, task.report("it did not run")
    assert "ready after" in task.output
    (repo.checkout / "m/config.yaml").write_text("rules: nonsense\n")
    repo.commit()
    broken = spawn(*words, env=env)
    assert broken.wait(timeout=30) == 15
    assert "InvalidSpec: plugin: config.yaml: rules" in broken.errors
