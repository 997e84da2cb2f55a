"""The expressions of the chart are Prometheus' language, and what holds them to /metrics works."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import yaml

from scripts.chart.__main__ import CHART
from support.promql import Page, asked

PAGE = """\
# HELP waits_seconds Time.
# TYPE waits_seconds histogram
waits_seconds_bucket{kind="a,\\"b\\"",le="1"} 1
# TYPE depth gauge
depth 3
# TYPE seen_total counter
"""


def expressions() -> Iterator[str]:
    """Of all alerts and panels, as Prometheus gets them."""
    for alert in yaml.safe_load((CHART / "files" / "alerts.yaml").read_text()):
        yield alert["expr"].replace("SELECTOR", 'namespace="a",job="b"')
    for panel in json.loads((CHART / "files" / "dashboard.json").read_text())["panels"]:
        yield from (target["expr"] for target in panel["targets"])


@pytest.mark.parametrize("text", sorted(set(expressions())))
def test_an_expression_is_one_and_asks_for_metrics_of_ours(text: str):
    names = asked(text)
    assert names
    assert all(name.startswith("ioc_operator_") for name in names)


def test_what_an_expression_asks_for_is_found_wherever_it_stands():
    text = 'sum by (le) (rate(a_bucket{x="1"}[5m])) / on (k) (b or vector(0)) > absent(c{y=~"."})'
    assert asked(text) == {"a_bucket": {"x", "le"}, "b": {"le"}, "c": {"y", "le"}}


@pytest.mark.parametrize(
    ("text", "lacks"),
    [
        ("depth", []),
        ("rate(waits_seconds_bucket{kind='x'}[5m])", []),
        ("rate(seen_total{what='not seen yet'}[5m])", []),
        ("deepth", ["deepth"]),
        ("waits_seconds", ["waits_seconds"]),
        ("depth_sum", ["depth_sum"]),
        ("rate(waits_seconds_bucket{knd='x'}[5m])", ["waits_seconds_bucket: knd"]),
    ],
)
def test_a_page_tells_what_it_lacks(text: str, lacks: list[str]):
    assert Page.read(PAGE).lacks(text) == lacks
