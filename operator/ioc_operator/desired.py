"""A custom resource read and judged: what its author wants, or what is wrong with it.

Reading is cheap and never fails; judging compiles the manifest, which takes milliseconds,
and is left out where the live ConfigMap carries the same `input` hash: it was judged then.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from ioc_operator.names import (
    API_VERSION,
    IMAGE,
    RECONCILE,
    REQUESTED_AT,
    RESET_AT,
    RESTARTED_AT,
    Key,
    probe_port,
)
from ioc_operator.settings import Settings
from ioc_runtime.compile import (
    Compiled,
    ManifestError,
    Problem,
    compile_document,
    config_hash,
)
from ioc_runtime.plan import to_json
from ioc_runtime.shape import plan_shape
from ioc_runtime.spec.problem import NOTHING
from ioc_runtime.version import __version__

Object = dict[str, Any]

MOST_PROBLEMS: Final = 5
LONGEST_MESSAGE: Final = 1000
LARGEST_CONFIG: Final = 1024 * 1024
"""Bytes of all values of a ConfigMap: the API server takes no more."""
BUILDERS: Final = 1
"""Version of what `children` builds: raised when the same manifest gives other objects."""


LONGEST_REQUEST: Final = 64
"""Letters of a request for a restart or a reset that count."""
FETCHED_FIELDS: Final = ("git", "configMap", "requirements", "requirementsFrom", "config")
"""Fields of `spec.plugin` that ask for something to be made ready before a pod serves."""


@dataclass(frozen=True)
class Wanted:
    """An IocTask or IocJob, as it was read."""

    key: Key
    uid: str
    generation: int
    created: str
    spec: Mapping[str, Any]
    annotations: Mapping[str, str]
    kept: Mapping[str, str] | None = None
    """url, ref and commit of its plugin, as an earlier start has found them (`source.py`)."""
    restarted: str = ""
    """The last request for a restart: of the annotation `restartedAt`, or where there is none
    (any more) the one that was carried out. Taking the annotation away asks for nothing."""

    @property
    def suspend(self) -> bool:
        """Whether there is to be no pod for now."""
        return self.spec.get("suspend") is True

    @property
    def disabled(self) -> bool:
        """Whether its children are left alone."""
        return self.annotations.get(RECONCILE) == "disabled"

    @property
    def requested_at(self) -> str:
        """The last request to write everything again; "" without one."""
        return self.annotations.get(REQUESTED_AT, "")

    @property
    def reset_at(self) -> str:
        """The last request for a reset of the task; "" without one."""
        return str(self.annotations.get(RESET_AT) or "")[:LONGEST_REQUEST]

    @property
    def reports(self) -> bool:
        """Whether its pod writes to the status."""
        return _map(self.spec.get("report")).get("enabled", True) is not False

    @property
    def host_network(self) -> bool:
        """Whether its pod uses the node's network."""
        return _map(self.spec.get("network")).get("hostNetwork") is True

    @property
    def has_service(self) -> bool:
        """Whether there is a Service in front of it."""
        service = _map(_map(self.spec.get("network")).get("service"))
        return service.get("enabled", True) is not False

    @property
    def plugin(self) -> Mapping[str, Any]:
        """`spec.plugin`; empty without one."""
        return _map(self.spec.get("plugin"))

    @property
    def fetches(self) -> bool:
        """Whether its plugin has to be made ready before its pod can serve."""
        plugin = self.plugin
        return any(plugin.get(field) for field in FETCHED_FIELDS)

    @property
    def probe_port(self) -> int:
        """Port of its probes."""
        return probe_port(self.uid, self.host_network)

    @property
    def prefix(self) -> str:
        """Start of its PV names, as far as that can be known without judging it."""
        given = self.spec.get("prefix")
        if isinstance(given, str) and given:
            return given
        return f"{self.key.namespace}:{self.key.name}:".upper().replace(".", "-")

    @cached_property
    def config_hash(self) -> str:
        """Of the spec; a plan that is made from it carries the same."""
        return config_hash(self.spec)

    @cached_property
    def manifest(self) -> Object:
        """The custom resource without what the API server adds; goes to the pod."""
        return {
            "apiVersion": API_VERSION,
            "kind": self.key.kind,
            "metadata": {
                "name": self.key.name,
                "namespace": self.key.namespace,
                "uid": self.uid,
                "generation": self.generation,
            },
            "spec": dict(self.spec),
        }

    @cached_property
    def manifest_json(self) -> str:
        """The manifest as the pod finds it."""
        # Not in ASCII: a file of other letters would grow threefold, and not fit.
        text = json.dumps(self.manifest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return text.encode("utf-8", "replace").decode()

    def default_image(self, settings: Settings, live: Mapping[str, str] | None = None) -> str:
        """The image it has where the manifest names none.

        :param live: annotations of the live StatefulSet, which keep the default that was
            current when the task was new: an upgrade of the operator restarts no task
        """
        kept = (live or {}).get(IMAGE)
        if kept and self.spec.get("imagePolicy", "Pinned") == "Pinned":
            return kept
        return settings.runtime_image

    def image(self, default: str) -> str:
        """Image of its pod."""
        given = self.spec.get("image")
        return given if isinstance(given, str) and given else default

    def input_hash(self, settings: Settings, default: str) -> str:
        """Of all that its children are made from; `default` as for `image`."""
        more: list[object] = [dict(self.kept)] if self.kept else []
        if self.fetches:
            more += [settings.plugin_cache, settings.plugin_index]
        if self.restarted:
            more.append({RESTARTED_AT: self.restarted})
        if self.reset_at:
            more.append({RESET_AT: self.reset_at})
        policy = settings.image_pull_policy
        return digest([self.manifest, default, policy, BUILDERS, __version__, *more])


@dataclass(frozen=True)
class Judged:
    """What the compiler says of a custom resource: one of the two is there."""

    compiled: Compiled | None
    problems: str
    """For the status: path, value and expectation of the first few; "" when it is good."""

    @cached_property
    def plan_json(self) -> str:
        """The plan as the pod finds it; "" without one."""
        return to_json(self.compiled.plan) if self.compiled is not None else ""

    @cached_property
    def shape(self) -> str:
        """Of the plan: another one needs another pod."""
        return plan_shape(self.compiled.plan) if self.compiled is not None else ""

    @cached_property
    def names(self) -> frozenset[str]:
        """All PVs it serves, in full."""
        return frozenset(self.compiled.names) if self.compiled is not None else frozenset()


def read(raw: Mapping[str, Any]) -> Wanted:
    """The custom resource in an object of the API server."""
    meta = raw["metadata"]
    annotations = _map(meta.get("annotations"))
    return Wanted(
        key=Key(raw["kind"], meta["namespace"], meta["name"]),
        uid=meta["uid"],
        generation=int(meta.get("generation") or 0),
        created=str(meta.get("creationTimestamp") or ""),
        spec=_map(raw.get("spec")),
        annotations=annotations,
        restarted=str(annotations.get(RESTARTED_AT) or "")[:LONGEST_REQUEST],
    )


def judge(wanted: Wanted) -> Judged:
    """Compile the manifest, or say what is wrong with it."""
    try:
        judged = Judged(compile_document(wanted.manifest), "")
    except ManifestError as error:
        return Judged(None, sentence([str(problem) for problem in error.problems]))
    problem = _does_not_fit(wanted, judged)
    return judged if problem is None else Judged(None, sentence([str(problem)]))


def _does_not_fit(wanted: Wanted, judged: Judged) -> Problem | None:
    """What is well said, and cannot be made into objects of a cluster."""
    name = wanted.key.name
    if "." in name:
        return Problem("metadata.name", name, "no dots: pods and Services are named after it")
    size = len(wanted.manifest_json.encode()) + len(judged.plan_json)
    if size > LARGEST_CONFIG:
        expected = f"at most {LARGEST_CONFIG} bytes with the plan made from it, got {size}"
        return Problem("spec", NOTHING, expected)
    return None


def sentence(problems: list[str]) -> str:
    """The first few of a list of problems, as one message."""
    more = len(problems) - MOST_PROBLEMS
    rest = f"; and {more} more" if more > 0 else ""
    text = "; ".join(problems[:MOST_PROBLEMS])
    room = LONGEST_MESSAGE - len(rest)
    return (text if len(text) <= room else text[: room - 1] + "…") + rest


def digest(value: object) -> str:
    """32 hexadecimal digits, the same for the same JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
