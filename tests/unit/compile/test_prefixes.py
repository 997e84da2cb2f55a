"""Named prefixes in links, and tags."""

from __future__ import annotations

import pytest

from ioc_runtime.address import BadLink, expand, parse_link, template_key
from ioc_runtime.plan import from_json, to_json
from unit.compile.support import compiled, problems, task


def test_a_link_begins_with_a_prefix_and_the_plan_has_the_whole_name():
    plan = compiled(
        """
        protocol: pva
        prefixes: {main: "BL01:VAC:", sys: "BL01:{Det:1}"}
        inputs:
          a: {type: float, link: "ca://{main}P1", tags: [vacuum, slow, slow]}
          b: {type: float, link: "{sys}P2"}
          c: {type: float, link: "ca://X{Det:1}Y{main}"}
        outputs:
          d: {type: float, link: "pva://{sys}SET", readback: "ca://{main}GET", tags: [out]}
        plugin: {inline: {files: {a.py: ""}}}
        """
    ).plan
    assert [str(signal.link) for signal in plan.signals] == [
        "ca://BL01:VAC:P1",
        "pva://BL01:{Det:1}P2",
        "ca://X{Det:1}Y{main}",
        "pva://BL01:{Det:1}SET",
    ]
    assert str(plan.outputs[0].readback) == "ca://BL01:VAC:GET"
    assert [signal.tags for signal in plan.signals] == [("vacuum", "slow"), (), (), ("out",)]
    assert (plan.protocol, plan.prefixes["main"]) == ("pva", "BL01:VAC:")
    assert from_json(to_json(plan)) == plan


def test_row_30_all_keys_that_are_missing_are_named_in_one_problem():
    (found,) = problems(
        task(
            """
            prefixes: {main: "BL01:"}
            inputs:
              a: {type: float, link: "ca://{sys}P1"}
              b: {type: float, link: "{sys}P2"}
              c: {type: float, link: "{main}P2"}
            outputs:
              d: {type: float, link: "pva://{mian}SET"}
            plugin: {inline: {files: {a.py: ""}}}
            """
        )
    )
    assert found.path == "spec.prefixes"
    assert found.expected == ("these keys of links too: sys (inputs.a.link), mian (outputs.d.link)")


def test_without_any_prefix_the_missing_one_is_named_as_well():
    (found,) = problems(task('inputs: {a: {type: float, link: "ca://{sys}P1"}}'))
    assert (found.path, found.expected) == (
        "spec.prefixes",
        "these keys of links too: sys (inputs.a.link)",
    )


@pytest.mark.parametrize(
    ("spec", "path", "expected"),
    [
        ('prefixes: {m: "ca://X"}', "spec.prefixes.m", "the start of a name"),
        ('prefixes: {m: ""}', "spec.prefixes.m", "at least 1"),
        ('prefixes: {m-n: "X"}', "spec.prefixes.m-n", "a name of letters"),
        ('prefixes: {m: "a b"}', "spec.prefixes.m", "the characters of a PV name"),
        ('inputs: {a: {type: int, tags: ["a b"]}}', "spec.inputs.a.tags[0]", "a word of letters"),
    ],
)
def test_a_bad_prefix_or_tag_is_a_problem(spec: str, path: str, expected: str):
    found = problems(task(spec))[0]
    assert (found.path, found.expected[: len(expected)]) == (path, expected)


def test_a_task_may_not_follow_its_own_pv_by_way_of_a_prefix():
    (found,) = problems(
        task(
            'prefix: "BL01:"\nprefixes: {main: "BL01:"}\n'
            'inputs: {a: {type: float, value: 1}, b: {type: float, link: "ca://{main}a"}}'
        )
    )
    assert found.path == "spec.inputs.b.link"


def test_addresses_without_a_key_at_their_start_stay_as_they_are():
    for text in ("X{main}", "ca://X{main}Y", "{Det:1}X", "pva://{1}X", ""):
        assert template_key(text) is None
        assert expand(text, {"main": "A:"}) == text
    assert expand("pva://{main}X{main}", {"main": "A:"}) == "pva://A:X{main}"
    with pytest.raises(KeyError, match="sys"):
        expand("{sys}X", {})
    with pytest.raises(BadLink):
        parse_link("http://X", "ca")
