"""What is known of the cluster: never older than it was, and news only when it is news."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ioc_operator.kube.resources import CONFIG_MAPS, PODS, STATEFUL_SETS
from ioc_operator.names import APPLIED, RECONCILE, Key, labels
from ioc_operator.store import Child, Owner, Store

KEY = Key("IocTask", "bl01", "guard")


def task(version: int, uid: str = "u1", **meta: Any) -> dict[str, Any]:
    status = meta.pop("status", {"observedGeneration": -1})
    base = {"name": "guard", "namespace": "bl01", "uid": uid, "resourceVersion": str(version)}
    return {
        "metadata": base | {"generation": 1} | meta,
        "spec": {"prefix": "BL01:"},
        "status": status,
    }


def child(version: int, uid: str = "c1", name: str = "guard-config", **meta: Any) -> dict[str, Any]:
    base = {
        "name": name,
        "namespace": "bl01",
        "uid": uid,
        "resourceVersion": str(version),
        "labels": labels("IocTask", "guard", "u1"),
        "annotations": {APPLIED: "hash"},
    }
    return {"metadata": base | meta}


class News:
    """A store and what it calls out."""

    def __init__(self) -> None:
        self.heard: list[tuple[Key, bool]] = []
        self.store = Store(lambda key, urgent: self.heard.append((key, urgent)))

    def take(self) -> list[tuple[Key, bool]]:
        heard, self.heard = self.heard, []
        return heard


def test_an_older_event_does_not_undo_the_answer_to_a_write() -> None:
    news = News()
    news.store.put_owner(Owner.read("IocTask", task(5)))
    assert news.take() == [(KEY, True)]
    news.store.wrote_owner(Owner.read("IocTask", task(7, status={"phase": "Running"})))
    assert news.take() == [], "whoever wrote it knows"
    news.store.put_owner(Owner.read("IocTask", task(6)))
    news.store.put_owner(Owner.read("IocTask", task(7, status={"phase": "Running"})))
    assert news.take() == []
    assert news.store.owners[KEY].phase == "Running"


def test_an_edit_is_urgent_and_a_report_is_news() -> None:
    news = News()
    news.store.put_owner(Owner.read("IocTask", task(1)))
    news.take()
    news.store.put_owner(Owner.read("IocTask", task(2, generation=2)))
    assert news.take() == [(KEY, True)]
    report = {"runtime": {"state": "RUN"}}
    news.store.put_owner(Owner.read("IocTask", task(3, generation=2, status=report)))
    assert news.take() == [(KEY, False)]
    news.store.put_owner(Owner.read("IocTask", task(4, generation=2, status=report)))
    assert news.take() == [], "a label of somebody else's"
    off = task(5, generation=2, status=report, annotations={RECONCILE: "disabled"})
    news.store.put_owner(Owner.read("IocTask", off))
    assert news.take() == [(KEY, True)]


def test_what_was_deleted_does_not_come_back_and_its_namesake_is_not_it() -> None:
    news = News()
    news.store.put_owner(Owner.read("IocTask", task(1)))
    news.store.put_owner(Owner.read("IocTask", task(9, uid="u2")))  # its event came first
    news.store.drop_owner(KEY, "u1")
    assert news.store.owners[KEY].uid == "u2"
    news.store.wrote_owner(Owner.read("IocTask", task(10)))  # a late answer about the old one
    assert news.store.owners[KEY].uid == "u2"
    news.store.drop_owner(KEY, "u2")
    assert KEY not in news.store.owners


def test_a_child_is_found_by_its_owner_and_only_changes_that_matter_are_news() -> None:
    news = News()
    news.store.put(CONFIG_MAPS, child(3))
    assert [each.name for each in news.store.of(KEY)] == ["guard-config"]
    assert news.take() == [(KEY, False)]
    news.store.put(CONFIG_MAPS, child(4))
    assert news.take() == []
    news.store.put(CONFIG_MAPS, child(5, annotations={APPLIED: "other"}))
    assert news.take() == [(KEY, False)]
    news.store.gone(CONFIG_MAPS, child(6))
    assert news.take() == [(KEY, True)]
    assert news.store.of(KEY) == []


def test_a_list_tells_what_vanished_but_not_what_is_newer_than_it() -> None:
    news = News()
    news.store.put(CONFIG_MAPS, child(3))
    news.store.put(STATEFUL_SETS, child(4, uid="s1", name="guard"))
    made = Child.read("ConfigMap", child(12, uid="c2", name="guard-2"))
    news.store.put_child(made, own=True)  # after the list was made
    news.store.listed(CONFIG_MAPS, None, set(), 10)
    assert {each.uid for each in news.store.of(KEY)} == {"s1", "c2"}
    news.store.listed(STATEFUL_SETS, "elsewhere", set(), 99)
    assert {each.uid for each in news.store.of(KEY)} == {"s1", "c2"}, "a list of another namespace"


def test_who_meddles_leaves_a_print() -> None:
    ours = {"manager": "ioc-operator", "operation": "Apply", "fieldsV1": {"f:spec": {"f:a": {}}}}
    status = {"manager": "kcm", "operation": "Update", "subresource": "status", "fieldsV1": {}}
    scale = {"manager": "kubectl", "operation": "Update", "subresource": "scale"}
    scale["fieldsV1"] = {"f:spec": {"f:replicas": {}}}

    def seen(*entries: Any) -> Child:
        return Child.read("StatefulSet", child(1, managedFields=list(entries)))

    left = seen(ours)
    assert seen(ours, status).hands == left.hands, "its controller's status is nobody's meddling"
    assert seen(ours, scale).hands.others
    taken = ours | {"fieldsV1": {"f:spec": {}}}  # a field of ours got another value
    assert seen(taken).hands.print != left.hands.print


def test_the_label_that_ties_a_child_to_its_owner_is_cut() -> None:
    news = News()
    news.store.put(CONFIG_MAPS, child(3))
    news.take()
    news.store.put(CONFIG_MAPS, child(4, labels={}))
    assert news.take() == [(KEY, False)], "the owner has lost a child"
    assert news.store.of(KEY) == []


def test_a_pod_is_kept_slim() -> None:
    news = News()
    raw = child(3, uid="p1", name="guard-0") | {
        "spec": {"nodeName": "n0", "containers": [{"name": "ioc", "env": ["x" * 10_000]}]},
        "status": {"phase": "Running", "podIP": "10.0.0.1"},
    }
    news.store.put(PODS, raw)
    (pod,) = news.store.of(KEY, "Pod")
    assert "xxxx" not in repr(pod)
    assert pod.detail is not None and "10.0.0.1" in repr(pod.detail)


EVENTS = st.lists(
    st.tuples(st.sampled_from(["put", "wrote", "drop"]), st.integers(1, 8), st.sampled_from("ab"))
)


@given(EVENTS)
def test_whatever_the_order_of_events_the_newest_of_those_not_deleted_stays(
    events: list[tuple[str, int, str]],
) -> None:
    store = News().store
    deleted: set[str] = set()
    newest: tuple[int, str] = (0, "")
    for what, version, uid in events:
        if what == "drop":
            store.drop_owner(KEY, uid)
            deleted.add(uid)
            if newest[1] == uid:
                newest = (0, "")
            continue
        owner = Owner.read("IocTask", task(version, uid=uid))
        (store.put_owner if what == "put" else store.wrote_owner)(owner)
        if uid not in deleted and version > newest[0]:
            newest = version, uid
    left = store.owners.get(KEY)
    assert ((left.version, left.uid) if left else (0, "")) == newest
