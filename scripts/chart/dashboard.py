"""files/dashboard.json: what Grafana shows of the operator, as a table of panels."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

Object = dict[str, Any]

WHICH: Final = 'namespace=~"$namespace",job=~"$job"'
SOURCE: Final[Object] = {"type": "prometheus", "uid": "${datasource}"}
WIDTH: Final = 24
"""Columns of Grafana's grid."""


@dataclass(frozen=True)
class Panel:
    """One picture; `lines` are (legend, expression), with SELECTOR in each."""

    title: str
    text: str
    lines: tuple[tuple[str, str], ...]
    unit: str = "short"
    kind: str = "timeseries"
    width: int = 8
    height: int = 7


def _slowest(metric: str, by: str = "") -> tuple[tuple[str, str], ...]:
    """Median and 99th percentile of a histogram."""
    groups, legend = (f"le, {by}", f"{{{{{by}}}}} ") if by else ("le", "")
    rate = f"sum by ({groups}) (rate({metric}_bucket{{SELECTOR}}[$__rate_interval]))"
    return tuple(
        (f"{legend}{name}", f"histogram_quantile({share}, {rate})")
        for name, share in (("p50", 0.5), ("p99", 0.99))
    )


def _rate(metric: str, *by: str) -> tuple[tuple[str, str], ...]:
    legend = " ".join(f"{{{{{label}}}}}" for label in by) or "all"
    grouped = f" by ({', '.join(by)})" if by else ""
    return ((legend, f"sum{grouped} (rate({metric}{{SELECTOR}}[$__rate_interval]))"),)


EACH: Final = "max by (namespace, job, kind, phase) (ioc_operator_objects{SELECTOR%s})"
"""What the pods of a release all say counts once; what several releases say is added up."""


def _objects(phase: str) -> tuple[tuple[str, str], ...]:
    each = EACH % f',phase="{phase}"'
    return (("", f"sum({each}) or vector(0)"),)


PANELS: Final = (
    Panel(
        "Leaders",
        "One pod of a release leads at any time.",
        (("", "sum(ioc_operator_leader{SELECTOR})"),),
        kind="stat",
        width=4,
        height=4,
    ),
    *(
        Panel(title, text, _objects(phase), kind="stat", width=4, height=4)
        for title, text, phase in (
            ("Running", "As they ought to be.", "Running"),
            ("Degraded", "They run with something missing.", "Degraded"),
            ("Stalled", "They need somebody.", "Stalled"),
            ("Pending", "On their way.", "Pending"),
            ("Failed jobs", "Jobs whose last run has failed.", "Failed"),
        )
    ),
    Panel(
        "Tasks and jobs",
        "By kind and phase.",
        (("{{kind}} {{phase}}", f"sum by (kind, phase) ({EACH % ''})"),),
    ),
    Panel(
        "Reconciles",
        "By kind and outcome, per second.",
        _rate("ioc_operator_reconciles_total", "kind", "outcome"),
    ),
    Panel(
        "Time of a reconcile",
        "By kind.",
        _slowest("ioc_operator_reconcile_seconds", "kind"),
        unit="s",
    ),
    Panel(
        "Queue",
        "Keys that wait, and those whose last reconcile went wrong.",
        (
            ("waiting", "sum(ioc_operator_queue_depth{SELECTOR})"),
            ("retrying", "sum(ioc_operator_queue_retrying{SELECTOR})"),
        ),
    ),
    Panel(
        "Time in the queue",
        "From an edit until it is looked at.",
        _slowest("ioc_operator_queue_seconds"),
        unit="s",
    ),
    Panel(
        "Retries",
        "Keys that were looked at again because it went wrong, per second.",
        _rate("ioc_operator_retries_total"),
    ),
    Panel(
        "Requests to the API server",
        "By verb and code of the answer (0: none), per second.",
        _rate("ioc_operator_api_requests_total", "verb", "code"),
    ),
    Panel(
        "Time of a request",
        "By verb.",
        _slowest("ioc_operator_api_request_seconds", "verb"),
        unit="s",
    ),
    Panel(
        "Events and repairs",
        "Events by what became of them, and what a comparison with the cluster had to mend, per "
        "second.",
        (
            *_rate("ioc_operator_events_total", "outcome"),
            *_rate("ioc_operator_sweep_repairs_total", "what"),
        ),
    ),
)


def dashboard_text() -> str:
    """The file."""
    made = {
        "title": "IOC operator",
        "uid": "ioc-operator",
        "tags": ["epics", "ioc-operator"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": [_datasource(), *map(_variable, ("namespace", "job"))]},
        "panels": list(_panels()),
    }
    return json.dumps(made, indent=1, ensure_ascii=False) + "\n"


def _panels() -> list[Object]:
    made: list[Object] = []
    x = y = 0
    for number, panel in enumerate(PANELS, 1):
        if x + panel.width > WIDTH:
            x, y = 0, y + made[-1]["gridPos"]["h"]
        made.append(_panel(number, panel, x, y))
        x += panel.width
    return made


def _panel(number: int, panel: Panel, x: int, y: int) -> Object:
    targets = [
        {
            "refId": chr(ord("A") + place),
            "datasource": SOURCE,
            "expr": line.replace("SELECTOR", WHICH),
            "legendFormat": legend,
        }
        for place, (legend, line) in enumerate(panel.lines)
    ]
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.text,
        "datasource": SOURCE,
        "gridPos": {"h": panel.height, "w": panel.width, "x": x, "y": y},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": targets,
    }


def _datasource() -> Object:
    return {
        "name": "datasource",
        "label": "Prometheus",
        "type": "datasource",
        "query": "prometheus",
    }


def _variable(label: str) -> Object:
    return {
        "name": label,
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": f"label_values(ioc_operator_leader, {label})", "refId": label},
        "refresh": 2,
        "multi": True,
        "includeAll": True,
        "current": {"text": "All", "value": "$__all"},
    }
