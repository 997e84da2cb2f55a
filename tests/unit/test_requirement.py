"""The form of a requirement, beside the reference implementation of PEP 508."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import InvalidRequirement
from packaging.requirements import Requirement as Reference

from ioc_runtime.compile import ManifestError, compile_text
from ioc_runtime.requirement import BadRequirement, parse
from unit.compile.support import problems, task

SHA = "sha256=" + "0" * 64
GOOD = [
    "numpy",
    "Sci.Py_x >= 1.14 , != 1.15.* , <2",
    "a[b, C]~=1.4; python_version>'3.11' and (os_name == \"posix\" or extra=='x')",
    "a===whatever; 'linux' in sys_platform",
    "a==1!2.0rc1.post2.dev3+local.7",
    "a (>=1)",
    f"a @ https://h/a-1-py3-none-any.whl#{SHA}",
    f"a @ https://h/a-1-py3-none-any.whl#{SHA} ; os_name not in 'nt java'",
]
PARTS = (
    "a b-c [ ] x , == ~= >= < 1 1.2 .* rc1 ; python_version '3' and or ( ) in not @ "
    "https://h/a.whl # -r"
).split() + [" "]


@pytest.mark.parametrize("text", GOOD)
def test_what_is_taken_means_what_the_reference_says(text: str):
    ours, reference = parse(text), Reference(text)
    again = Reference(str(ours))
    assert again.specifier == reference.specifier
    assert {e.lower() for e in again.extras} == {e.lower() for e in reference.extras}
    assert (str(again.marker), again.url) == (str(reference.marker), reference.url)
    assert parse(str(ours)) == ours


@given(st.lists(st.sampled_from(PARTS), max_size=12).map("".join) | st.text(max_size=40))
def test_nothing_is_taken_that_the_reference_refuses(text: str):
    try:
        ours = parse(text)
    except BadRequirement as refusal:
        assert str(refusal)
        return
    Reference(text.strip())
    assert parse(str(ours)) == ours


@given(
    st.sampled_from(["numpy", "a_b", "X.y"]),
    st.sampled_from(["", "[x]", "[x,y-z]"]),
    st.lists(st.sampled_from(["==1.2", ">=1.0.dev1", "<2", "!=1.*", "~=1.4.2"]), max_size=3),
    st.sampled_from(["", ";os_name=='posix'", " ; python_version < '4' or extra == 'x'"]),
)
def test_ordinary_requirements_are_all_taken(name: str, extras: str, clauses: list, marker: str):
    text = f"{name}{extras}{','.join(clauses)}{marker}"
    try:
        reference = Reference(text)
    except InvalidRequirement:
        pytest.fail(f"{text} is not ordinary")
    assert Reference(str(parse(text))).specifier == reference.specifier


def test_a_manifest_names_the_requirement_that_is_none():
    found = problems(
        task("""
        plugin:
          inline: {files: {a.py: ""}}
          requirements: [numpy, "scipy>=1.14", "scipy >> 1"]
    """)
    )
    assert [(p.path, p.value) for p in found if "requirements[" in p.path] == [
        ("spec.plugin.requirements[2]", "scipy >> 1")
    ]
    assert "versions as in ==1.2" in next(p.expected for p in found if "[2]" in p.path)


@pytest.mark.parametrize(
    ("file", "expected"),
    [("setup.cfg", "a requirements file (.txt)"), ("req.txt", "one of the inline files")],
)
def test_a_requirements_file_has_to_be_one(file: str, expected: str):
    found = problems(
        task(f"""
        plugin:
          inline: {{files: {{a.py: "", requirements.txt: numpy, setup.cfg: ""}}}}
          requirementsFrom: {file}
    """)
    )
    assert any(p.path == "spec.plugin.requirementsFrom" and expected in p.expected for p in found)


def test_a_requirements_file_may_not_lie_outside():
    with pytest.raises(ManifestError):
        compile_text(task("plugin: {image: {path: p}, requirementsFrom: ../requirements.txt}"))
