"""Record objects of every state from a real operator, as test data of the Lua scripts.

    PYTHONPATH=.:operator:tests python -m cluster.argocd.record

It brings up a cluster of its own with a node (docs/cluster.md), for a few minutes, or takes
one that is up (`--rig NAME`), and writes `testdata/`, `health_test.yaml` and what there is
of the kind for actions, in the chart's argocd/. Look at the difference, the messages above
all, before it goes into the repository.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import yaml

from cluster.argocd.history import History
from cluster.argocd.states import JOB, STATES, TASK, State, says
from cluster.invariants import Object
from cluster.operator_process import install
from cluster.pv import PvClient
from cluster.rig import Rig
from cluster.running import Operator
from cluster.tasks import Tasks
from scripts.argocd.__main__ import GROUP, KINDS, SCRIPTS, dump
from scripts.argocd.lua import act, run

SPACE: Final = "bl01"
HEAD: Final = "# Made by tests/cluster/argocd/record.py.\n"
FINALIZER: Final = "beamline.example.org/kept"
ACTED_ON: Final = {TASK: "running", JOB: "complete"}
"""Of each kind, the object that the actions are tried on."""
LATE: Final = ("without the operator", "edit without the operator")
"""What is done when all else has been recorded, and the operator has ended."""
LAST: Final = "silence the node"
"""What is done at the very end, for it concerns all pods."""


class Stage:
    """A namespace with an operator, and what is done there to get at a state."""

    def __init__(self, tasks: Tasks, histories: dict[str, History]) -> None:
        self.tasks, self.histories = tasks, histories

    def apply(self, state: State) -> None:
        manifest = state.manifest
        if state.then == "delete":
            manifest["metadata"]["finalizers"] = [FINALIZER]
        self.tasks.apply(manifest)

    def act(self, state: State) -> None:
        """Carry out what `state.then` says."""
        kind, name = state.kind.lower(), state.name
        reached = says("Complete", "True") if _over_first(state) else says("Ready", "True")
        if state.then and state.then != "without the operator":
            self.histories[state.kind].first(name, reached)
        match state.then:
            case "pause":
                with PvClient(self.tasks.address(name)) as client:
                    client.put(state.manifest["spec"]["prefix"] + "ENABLE", 0)
            case "edit badly":
                self.tasks.patch(name, {"rules": [{"id": "high", "condition": "x >"}]})
            case "suspend":
                self.tasks.patch(name, {"suspend": True}, kind)
            case "restart" | "run again":
                self.tasks.annotate(name, f"{GROUP}/restartedAt=2026-01-01T00:00:00Z", kind)
            case "delete":
                self.tasks.delete(kind, name, "--wait=false")
            case "edit without the operator":
                self.tasks.patch(name, {"parameters": {"limit": 6.0}}, kind)
            case "without the operator":
                self.tasks.apply(state.manifest)

    def found(self, state: State) -> Object:
        return self.histories[state.kind].first(state.name, state.is_so)

    def let_go(self) -> None:
        """Take the finalizers away, so that the namespace can be deleted."""
        for state in STATES:
            if state.then == "delete":
                patch = json.dumps({"metadata": {"finalizers": None}})
                kind = state.kind.lower()
                self.tasks.run("patch", kind, state.name, "--type=merge", "-p", patch)


def _over_first(state: State) -> bool:
    return state.kind == JOB and state.then in ("run again", "edit without the operator")


def main() -> int:
    """Record all; 1 where a state is called something else than it ought to be."""
    parser = argparse.ArgumentParser(prog="python -m cluster.argocd.record", description=__doc__)
    parser.add_argument("--rig", metavar="NAME", help="a cluster that is up")
    given = parser.parse_args().rig
    with ExitStack() as stack:
        made = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        rig = Rig.find(given) if given else stack.enter_context(Rig.up())
        if rig is None:
            print(f"there is no rig {given}", file=sys.stderr)
            return 2
        found = record(rig, made)
    wrong = 0
    for kind in KINDS:
        wrong += write(kind, [(state, seen) for state, seen in found if state.kind == kind])
    return 1 if wrong else 0


def record(rig: Rig, directory: Path) -> list[tuple[State, Object]]:
    """Every state with an object that is in it."""
    rig.kubectl("create", "namespace", SPACE)
    kubeconfig = install(rig, directory)
    tasks = Tasks(rig.kubectl, SPACE)
    with (
        History(rig, SPACE, TASK.lower(), directory) as of_tasks,
        History(rig, SPACE, JOB.lower(), directory) as of_jobs,
    ):
        stage = Stage(tasks, {TASK: of_tasks, JOB: of_jobs})
        with Operator(kubeconfig, directory):
            for state in STATES:
                if state.then != "without the operator":
                    stage.apply(state)
                    time.sleep(0.5)  # a pod at a time: two cores
            early = [state for state in STATES if state.then not in (*LATE, LAST)]
            for state in early:
                stage.act(state)
            found = [(state, stage.found(state)) for state in early]
            for state in STATES:
                if state.then == "edit without the operator":
                    stage.histories[state.kind].first(state.name, _settled(state))
        for state in STATES:
            if state.then in LATE:
                stage.act(state)
        found += [(state, stage.found(state)) for state in STATES if state.then in LATE]
        with Operator(kubeconfig, directory):
            last = [state for state in STATES if state.then == LAST]
            for state in last:
                stage.act(state)
            rig.pause("kubelet")
            try:
                found += [(state, stage.found(state)) for state in last]
            finally:
                rig.resume("kubelet")
        stage.let_go()
        rig.kubectl("delete", "namespace", SPACE, "--wait=false")
    return found


def _settled(state: State) -> Any:
    return says("Complete", "True") if state.kind == JOB else says("Ready", "True")


def write(kind: str, found: list[tuple[State, Object]]) -> int:
    """Write test data; how many states are called something else than they ought to be."""
    folder = SCRIPTS / GROUP / kind
    shutil.rmtree(folder / "testdata", ignore_errors=True)
    (folder / "testdata").mkdir()
    script = (folder / "health.lua").read_text()
    tests, wrong = [], 0
    for state, seen in found:
        path = f"testdata/{state.name}.yaml"
        slim = _slim(seen)
        (folder / path).write_text(HEAD + dump(slim))
        health = run(script, slim)
        print(f"{kind:8}{state.name:20}{health['status']:12}{health['message']}")
        if health["status"] != state.health:
            print(f"  ought to be {state.health}", file=sys.stderr)
            wrong += 1
        tests.append({"healthStatus": health, "inputPath": path})
    (folder / "health_test.yaml").write_text(HEAD + dump({"tests": tests}))
    write_actions(folder)
    return wrong


def write_actions(folder: Path) -> None:
    """Write what becomes of some of the objects by each action, and which are offered."""
    actions = folder / "actions"
    shutil.rmtree(actions / "testdata", ignore_errors=True)
    (actions / "testdata").mkdir()
    discovery = (actions / "discovery.lua").read_text()
    offered = [
        {"inputPath": f"../testdata/{path.name}", "result": offers(discovery, path)}
        for path in sorted((folder / "testdata").glob("*.yaml"))
    ]
    tests = []
    for script in sorted(actions.glob("*/action.lua")):
        action = script.parent.name
        given = "suspended" if action == "resume" else ACTED_ON[folder.name]
        old = yaml.safe_load((folder / "testdata" / f"{given}.yaml").read_text())
        path = f"testdata/{given}-{action}.yaml"
        (actions / path).write_text(HEAD + dump(act(script.read_text(), old)))
        given = f"../testdata/{given}.yaml"
        tests.append({"action": action, "inputPath": given, "expectedOutputPath": path})
    made = {"discoveryTests": offered, "actionTests": tests}
    (actions / "action_test.yaml").write_text(HEAD + dump(made))


def offers(discovery: str, path: Path) -> list[Object]:
    """The actions that are offered for an object, as Argo CD lists them."""
    found = run(discovery, yaml.safe_load(path.read_text()))
    return [{"name": name} | found[name] for name in sorted(found)]


def _slim(seen: Object) -> Object:
    """Without what the API server keeps for itself."""
    slim: Object = yaml.safe_load(json.dumps(seen))
    slim["metadata"].pop("managedFields", None)
    notes = slim["metadata"].get("annotations", {})
    notes.pop("kubectl.kubernetes.io/last-applied-configuration", None)
    if not notes:
        slim["metadata"].pop("annotations", None)
    return slim


if __name__ == "__main__":
    sys.exit(main())
