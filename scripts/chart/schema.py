"""values.schema.json: types from the defaults, texts from the comments, the rest from here."""

from __future__ import annotations

import json
from typing import Any, Final

from scripts.chart.values import Value

Schema = dict[str, Any]

WORDS: Final[Schema] = {"type": "object", "additionalProperties": {"type": "string"}}
"""Labels or annotations."""
NAMES: Final[Schema] = {"type": "array", "items": {"type": "string", "minLength": 1}}
OBJECTS: Final[Schema] = {"type": "array", "items": {"type": "object"}}
FREE: Final[Schema] = {"type": "object"}
"""The API server knows what may stand in it."""
PULL: Final = ("Always", "IfNotPresent", "Never")
NAME: Final = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
DIGEST: Final[Schema] = {"pattern": "^(sha256:[0-9a-f]{64})?$"}
DURATION: Final[Schema] = {"pattern": "^(([0-9]+(ms|s|m|h))+)?$"}
NAMESPACE: Final[Schema] = {"pattern": f"^({NAME})?$", "maxLength": 63}
_PART: Final = "[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?"
_KEY: Final = f"({NAME}(\\.{NAME})*/)?{_PART}"
_VALUE: Final = f"({_PART})?"
_ONE: Final = (
    rf"(!\s*{_KEY}|{_KEY}(\s*(=|==|!=)\s*{_VALUE}|\s*[<>]\s*[0-9]+"
    rf"|\s+(in|notin)\s*\(\s*{_VALUE}(\s*,\s*{_VALUE})*\s*\))?)"
)
SELECTOR: Final[Schema] = {"pattern": rf"^(\s*{_ONE}\s*(,\s*{_ONE}\s*)*)?$"}
"""As `kubectl -l` has it."""
AMOUNTS: Final[Schema] = {
    "type": "object",
    "additionalProperties": {
        "type": ["string", "number", "null"],
        "pattern": "^[0-9]+(\\.[0-9]*)?([numkMGTPE]|[KMGTPE]i|[eE][-+]?[0-9]+)?$",
    },
}
RESOURCES: Final[Schema] = {
    "type": "object",
    "additionalProperties": False,
    "patternProperties": {"^(requests|limits)$": AMOUNTS, "^claims$": OBJECTS},
}
PORT: Final[Schema] = {"type": "integer", "minimum": 1, "maximum": 65535}
MONITOR: Final[dict[str, Schema]] = {
    "namespace": NAMESPACE,
    "labels": WORDS,
    "interval": DURATION,
    "scrapeTimeout": DURATION,
    "relabelings": OBJECTS,
    "metricRelabelings": OBJECTS,
}

BEYOND: Final[dict[str, Schema]] = {
    "image.repository": {"minLength": 1},
    "image.digest": DIGEST,
    "image.pullPolicy": {"enum": [*PULL]},
    "imagePullSecrets": OBJECTS,
    "replicaCount": {"minimum": 1},
    "watchNamespaces": {
        "type": "array",
        "items": {"type": "string", "pattern": f"^{NAME}$", "maxLength": 63},
        "uniqueItems": True,
    },
    "labelSelector": SELECTOR,
    "workers": {"minimum": 1, "maximum": 100},
    "leaderElection.leaseDuration": {"type": "integer", "minimum": 1, "maximum": 600},
    "leaderElection.renewDeadline": {"type": "number", "minimum": 0.5, "maximum": 600},
    "leaderElection.retryPeriod": {"type": "number", "minimum": 0.1, "maximum": 60},
    "log.format": {"enum": ["text", "json"]},
    "log.level": {"enum": ["debug", "info", "warning", "error"]},
    "serviceAccount.annotations": WORDS,
    "admissionPolicy.exempt": {
        "type": "array",
        "items": {"type": "string", "pattern": "^system:serviceaccount:[^:]+:[^:]+$"},
    },
    "service.port": PORT,
    "service.annotations": WORDS,
    "networkPolicy.apiServerPorts": {"type": "array", "items": PORT, "minItems": 1},
    "networkPolicy.apiServerCIDRs": {
        "type": "array",
        "items": {"type": "string", "pattern": "^[0-9a-fA-F.:]+/[0-9]+$"},
    },
    "networkPolicy.metricsFrom": OBJECTS,
    "networkPolicy.extraEgress": OBJECTS,
    "resources": RESOURCES,
    "podSecurityContext": FREE,
    "securityContext": FREE,
    "commonLabels": WORDS,
    "podLabels": WORDS,
    "podAnnotations": WORDS,
    "nodeSelector": WORDS,
    "tolerations": OBJECTS,
    "affinity": FREE,
    "topologySpreadConstraints": OBJECTS,
    "extraArgs": NAMES,
    "extraEnv": OBJECTS,
    "extraVolumes": OBJECTS,
    "extraVolumeMounts": OBJECTS,
    "runtime.image.repository": {"minLength": 1},
    "runtime.image.digest": DIGEST,
    "runtime.image.pullPolicy": {"enum": ["", *PULL]},
    "plugins.cache": {"pattern": "^(claim:.+|host:/.+)?$"},
    "plugins.index": {"minLength": 1},
    **{f"metrics.serviceMonitor.{key}": each for key, each in MONITOR.items()},
    **{f"metrics.podMonitor.{key}": each for key, each in MONITOR.items()},
    "metrics.prometheusRule.namespace": NAMESPACE,
    "metrics.prometheusRule.labels": WORDS,
    "metrics.prometheusRule.disabled": NAMES,
    "metrics.dashboard.namespace": NAMESPACE,
    "metrics.dashboard.labels": WORDS,
    "metrics.dashboard.annotations": WORDS,
    "test.namespace": NAMESPACE,
    "test.labels": WORDS,
    "test.timeout": {"minimum": 10, "maximum": 3600},
    "nameOverride": {"pattern": f"^({NAME})?$"},
    "fullnameOverride": {"pattern": "^([a-z]([-a-z0-9]*[a-z0-9])?)?$"},
    "extraObjects": {"type": "array", "items": {"type": ["object", "string"]}},
}
"""By path: what a default does not say."""

ABOVE: Final[dict[str, Schema]] = {
    "global": {"description": "Values of a chart that this one is a part of.", "type": "object"},
    "enabled": {
        "description": "Stands in the `condition` of a chart that this one is a part of.",
        "type": "boolean",
    },
}
"""What Helm or a chart above this one puts beside our own values."""

TYPES: Final = {bool: "boolean", int: "integer", str: "string"}


class Untyped(Exception):
    """A key whose default does not tell its type."""


def schema_text(values: tuple[Value, ...]) -> str:
    """The file."""
    made = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Values of the chart ioc-operator",
        **_closed(values, ABOVE),
    }
    return json.dumps(made, indent=2, ensure_ascii=False) + "\n"


def rule(value: Value) -> Schema:
    """What may stand at a key that has none below it."""
    kind = TYPES.get(type(value.default))
    known: Schema = {"type": kind} if kind else {}
    found = known | BEYOND.get(value.path, {})
    if "type" not in found:
        raise Untyped(f"{value.path} needs a type in {__name__}.BEYOND")
    return found


def _schema(value: Value) -> Schema:
    told = {"description": value.text}
    return told | (_closed(value.inner) if value.inner else rule(value))


def _closed(values: tuple[Value, ...], more: dict[str, Schema] | None = None) -> Schema:
    """A map with these keys and no others."""
    made = {each.path.rpartition(".")[2]: _schema(each) for each in values}
    return {"type": "object", "additionalProperties": False, "properties": made | (more or {})}
