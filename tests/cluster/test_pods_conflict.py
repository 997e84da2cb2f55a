"""Two tasks that want the same names: one gets them, the other is told whose they are."""

from __future__ import annotations

from cluster.pv import PvClient
from cluster.running import Operator
from cluster.tasks import Tasks, task


def test_a_new_object_does_not_take_the_names_of_a_running_one(operator: Operator, tasks: Tasks):
    prefix = tasks.prefix("guard")
    tasks.apply(task("guard", prefix))
    tasks.ready("guard")
    tasks.apply(task("thief", prefix))
    message = tasks.stalled("thief", "PvConflict")
    assert f"{tasks.namespace}/guard" in message
    assert tasks.pod("thief") is None
    tasks.delete("ioctask", "guard")
    tasks.ready("thief")


def test_an_edit_of_an_older_object_does_not_take_them_either(operator: Operator, tasks: Tasks):
    mine, other = tasks.prefix("guard"), tasks.prefix("older")
    tasks.apply(task("older", other))
    tasks.ready("older")
    tasks.apply(task("guard", mine))
    tasks.ready("guard")
    pod = tasks.uid("older")
    tasks.patch("older", {"prefix": mine})
    assert f"{tasks.namespace}/guard" in tasks.stalled("older", "PvConflict")
    with PvClient(tasks.address("older")) as client:
        assert client.get(other + "pressure") == 1.0, "the last good config runs on"
    assert tasks.uid("older") == pod
    tasks.patch("older", {"prefix": other})
    tasks.ready("older")


def test_the_owner_stays_the_owner_when_the_operator_starts_again(operator: Operator, tasks: Tasks):
    prefix = tasks.prefix("guard")
    tasks.apply(task("guard", prefix))
    tasks.ready("guard")
    operator.kill()
    tasks.apply(task("a-thief", prefix))
    operator.start()
    assert f"{tasks.namespace}/guard" in tasks.stalled("a-thief", "PvConflict")
    tasks.ready("guard")


def test_a_name_inside_a_nested_prefix_is_compared_in_full(operator: Operator, tasks: Tasks):
    outer = tasks.prefix("guard")
    tasks.apply(task("guard", outer))
    tasks.ready("guard")
    tasks.apply(task("inner", outer + "SUB:"))
    tasks.ready("inner")
