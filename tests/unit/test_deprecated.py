"""What becomes of a field that is marked as deprecated; the fields here are made up."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import yaml
from pydantic import Field

from ioc_runtime.compile import check_text
from ioc_runtime.spec.base import Model
from ioc_runtime.spec.deprecated import deprecated, deprecations, used
from ioc_runtime.spec.task import TaskSpec
from scripts.crds.deprecated import policies, policy, shown, template, unused
from scripts.crds.structural import structural
from unit.compile.support import task


class Part(Model):
    """A part."""

    old: int = Field(0, description="A number.", json_schema_extra=deprecated("write `new`"))
    new: int = Field(0, description="A number.")


class Whole(Model):
    """A whole."""

    parts: list[Part] = Field(default_factory=list, description="Some.")
    named: dict[str, Part] = Field(default_factory=dict, description="Some.")
    one: Part | None = Field(None, description="One.")
    hold: int = Field(
        0, alias="for", description="Seconds.", json_schema_extra=deprecated("leave it out")
    )


PATHS = {
    ("parts", "[]", "old"): "write `new`",
    ("named", "{}", "old"): "write `new`",
    ("one", "old"): "write `new`",
    ("for",): "leave it out",
}


def test_all_deprecated_fields_are_found_wherever_they_stand():
    assert deprecations(Whole) == PATHS


def test_only_those_that_are_written_are_used():
    whole = Whole.model_validate(
        {
            **{"parts": [{"new": 1}, {"old": 2}], "named": {"a": {"old": 0}, "b": {}}},
            **{"one": {"old": 1}, "for": 3},
        }
    )
    assert [path for path, _ in used(whole)] == [
        ("for",),
        ("named", "a", "old"),
        ("one", "old"),
        ("parts", 1, "old"),
    ]
    assert list(used(Whole())) == []


def test_a_policy_says_what_to_do_and_refuses_nothing():
    made, binding = policy("ioc-operator.dev", "IocTask", PATHS, "x")
    said = {each["message"]: each["expression"] for each in made["spec"]["validations"]}
    assert said == {
        "spec.parts[].old will go: write `new`": (
            "(!('parts' in dyn(object.spec)) || dyn(object.spec)['parts'].all(e0, !('old' in e0)))"
        ),
        "spec.named.NAME.old will go: write `new`": (
            "(!('named' in dyn(object.spec)) || "
            "dyn(object.spec)['named'].all(e0, !('old' in dyn(object.spec)['named'][e0])))"
        ),
        "spec.one.old will go: write `new`": (
            "(!('one' in dyn(object.spec)) || !('old' in dyn(object.spec)['one']))"
        ),
        "spec.for will go: leave it out": "!('for' in dyn(object.spec))",
    }
    assert binding["spec"]["validationActions"] == ["Warn"]
    assert made["spec"]["failurePolicy"] == "Ignore"


def test_the_chart_gets_them_as_one_template_or_none_at_all():
    made = policies("ioc-operator.dev", {"IocTask": Whole, "IocJob": Part}, "g")
    assert [one["kind"] for one in made] == [
        *("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"),
        *("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"),
    ]
    text = template(made, "# head\n")
    body = "\n".join(line for line in text.splitlines() if not line.startswith("{{-"))
    assert list(yaml.safe_load_all(body)) == made
    assert template([], "# head\n") == ""
    assert policies("g", {"X": type("Plain", (Model,), {})}, "g") == []


def test_what_would_cost_the_server_too_much_is_noticed():
    path = ("a", "[]", "b", "{}", "c", "[]", "d", "[]", "e", "{}", "f")
    assert shown(path) == "spec.a[].b.NAME.c[].d[].e.NAME.f"
    with pytest.raises(ValueError, match="too deep"):
        unused(path)


def test_descriptions_and_editors_schemas_say_it():
    made = structural(Whole)["properties"]
    assert made["for"]["description"] == "Seconds. Default: 0. Deprecated: leave it out."
    assert "deprecated" not in json.dumps(made)
    assert "default" not in made["for"], "the server would fill it in and then warn of it"
    editors = Whole.model_json_schema(by_alias=True)["properties"]["for"]
    assert (editors["deprecated"], editors["deprecationMessage"]) == (True, "leave it out")


@pytest.fixture
def marked(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """`spec.iocStats`, as if it were to go."""
    field = TaskSpec.model_fields["ioc_stats"]
    monkeypatch.setattr(field, "json_schema_extra", deprecated("write `stats`"))
    deprecations.cache_clear()
    yield
    deprecations.cache_clear()


def test_validate_warns_of_it_with_its_line(marked: None):
    checked = check_text(task("iocStats: true"), file="t.yaml")
    (warning,) = checked.warnings
    assert str(warning) == (
        "t.yaml:5: spec.iocStats: expected nothing here in future: write `stats`"
    )
    assert checked.compiled and not checked.problems
    assert check_text(task("mode: reactive")).warnings == []
