"""What is known of a namespace's account, and when it is to be written."""

from __future__ import annotations

from typing import Any

import pytest

from ioc_operator.accounts import Accounts
from ioc_operator.children import namespace_children
from ioc_operator.kube.resources import ROLE_BINDINGS, SERVICE_ACCOUNTS
from ioc_operator.settings import Settings

Object = dict[str, Any]
KINDS = {"ServiceAccount": SERVICE_ACCOUNTS, "RoleBinding": ROLE_BINDINGS}


def bodies(namespace: str = "bl01", role: str = "runtime") -> list[Object]:
    return namespace_children(namespace, Settings(runtime_cluster_role=role))


def live(body: Object, version: int = 1, uid: str = "u1", **meta: Any) -> Object:
    """As the API server has it."""
    there = {"uid": f"{uid}-{body['kind']}", "resourceVersion": str(version)}
    return body | {"metadata": body["metadata"] | there | meta}


class Known:
    """Accounts, and the namespaces that somebody is to look at."""

    def __init__(self) -> None:
        self.changed: list[str] = []
        self.accounts = Accounts(bodies, self.changed.append)

    def put(self, raw: Object) -> None:
        self.accounts.put(KINDS[raw["kind"]], raw)

    def lacking(self) -> list[str]:
        return [body["kind"] for body in self.accounts.lacking("bl01")]


@pytest.fixture
def known() -> Known:
    made = Known()
    for body in bodies():
        made.put(live(body))
    return made


def test_both_are_written_where_there_is_none():
    assert Known().lacking() == ["ServiceAccount", "RoleBinding"]


def test_nothing_is_written_where_both_are_as_wanted(known: Known):
    assert known.lacking() == []
    assert known.changed == []


@pytest.mark.parametrize("which", [0, 1])
def test_one_that_goes_is_written_again_and_the_namespace_is_looked_at(known: Known, which: int):
    body = bodies()[which]
    known.accounts.gone(KINDS[body["kind"]], live(body))
    assert known.lacking() == [body["kind"]]
    assert known.changed == ["bl01"]


def test_one_that_a_list_does_not_have_any_more_is_gone(known: Known):
    known.accounts.listed(SERVICE_ACCOUNTS, None, set(), version=5)
    assert known.lacking() == ["ServiceAccount"]
    known.accounts.listed(ROLE_BINDINGS, "elsewhere", set(), version=5)
    assert known.lacking() == ["ServiceAccount"]


def test_a_list_from_before_it_was_made_does_not_undo_it(known: Known):
    account, _ = bodies()
    known.put(live(account, version=9))
    known.accounts.listed(SERVICE_ACCOUNTS, None, set(), version=8)
    assert known.lacking() == []


@pytest.mark.parametrize(
    "change",
    [
        {"subjects": []},
        {"roleRef": {"apiGroup": "x", "kind": "ClusterRole", "name": "earlier"}},
    ],
)
def test_a_binding_that_grants_something_else_is_not_as_wanted(known: Known, change: Object):
    _, binding = bodies()
    known.put(live(binding | change, version=2))
    assert known.lacking() == ["RoleBinding"]
    assert known.changed == ["bl01"]


def test_only_another_role_takes_a_new_binding(known: Known):
    _, binding = bodies()
    known.put(live(binding | {"subjects": []}, version=2))
    part = known.accounts.part(binding)
    assert part is not None
    assert not part.binds_another_role(binding)
    assert part.binds_another_role(bodies(role="other")[1])


def test_one_that_is_being_deleted_is_not_there(known: Known):
    account, _ = bodies()
    known.put(live(account, version=2, deletionTimestamp="now"))
    assert known.lacking() == ["ServiceAccount"]


def test_the_answer_to_our_own_write_counts_before_its_event_comes():
    known = Known()
    for body in bodies():
        meta = live(body, version=4)["metadata"]
        known.accounts.wrote(body, {"metadata": meta})
    assert known.lacking() == []
    known.put(live(bodies()[0], version=3, deletionTimestamp="an older event"))
    assert known.lacking() == []
