"""What is generated of the chart, and what its files say of each other."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts.chart.__main__ import CHART, ROOT, texts
from scripts.chart.schema import ABOVE, BEYOND
from scripts.chart.values import Undescribed, leaves, read

VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
SCHEMA = json.loads((CHART / "values.schema.json").read_text())
TEMPLATES = [*(CHART / "templates").rglob("*.*")]


def described(schema: dict[str, Any], above: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every key of the schema with what it says of it."""
    for name, inner in schema.get("properties", {}).items():
        yield above + name, inner
        yield from described(inner, f"{above}{name}.")


def used() -> set[str]:
    """Paths of values that the templates name, as far as their text shows it."""
    found = set()
    for path in TEMPLATES:
        found |= set(re.findall(r"\.Values\.([\w.]+)", path.read_text()))
    return found


@pytest.mark.parametrize("path", sorted(texts()), ids=lambda path: path.name)
def test_the_chart_is_what_its_values_say(path: Path):
    stale = f"{path.relative_to(ROOT)} is stale: run `make chart`"
    assert path.read_text() == texts()[path], stale


def test_every_value_is_in_the_schema_and_the_other_way_round():
    known = {path: schema for path, schema in described(SCHEMA) if path not in ABOVE}

    def keys(values: dict[str, Any], above: str = "") -> Iterator[str]:
        for name, value in values.items():
            path = above + name
            yield path
            if isinstance(value, dict) and "properties" in known.get(path, {}):
                yield from keys(value, f"{path}.")

    assert sorted(keys(VALUES)) == sorted(known)


def test_the_schema_describes_everything_and_is_closed():
    for path, schema in described(SCHEMA):
        assert schema["description"].endswith("."), path
        if "properties" in schema:
            assert schema["additionalProperties"] is False, path
    assert SCHEMA["additionalProperties"] is False


def test_what_the_schema_adds_is_about_values_that_there_are():
    paths = {each.path for each in leaves(read((CHART / "values.yaml").read_text()))}
    assert set(BEYOND) <= paths


def test_every_group_of_values_is_used_by_a_template():
    tops = {path.split(".")[0] for path in used()}
    assert tops == set(VALUES)


def test_a_value_without_a_comment_is_refused():
    with pytest.raises(Undescribed, match=r"a\.c of values.yaml has no comment"):
        read("# Said.\na:\n  # Said.\n  b: 1\n  c: 2\n")


def test_the_panels_of_the_dashboard_do_not_lie_on_each_other():
    panels = json.loads((CHART / "files" / "dashboard.json").read_text())["panels"]
    places = [
        (x, y)
        for grid in (panel["gridPos"] for panel in panels)
        for x in range(grid["x"], grid["x"] + grid["w"])
        for y in range(grid["y"], grid["y"] + grid["h"])
    ]
    assert len(places) == len(set(places))
    assert max(x for x, _ in places) < 24
    assert len({panel["id"] for panel in panels}) == len(panels)


def test_an_alert_says_what_it_means_and_how_bad_it_is():
    alerts = yaml.safe_load((CHART / "files" / "alerts.yaml").read_text())
    assert len({alert["alert"] for alert in alerts}) == len(alerts) > 5
    for alert in alerts:
        assert alert["labels"]["severity"] in ("critical", "warning", "info")
        assert {"summary", "description"} == set(alert["annotations"])
        assert "SELECTOR" in alert["expr"]
