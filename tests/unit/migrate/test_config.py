"""The rest of a config of iocmng: prefix, mode, parameters; and how it is read."""

from __future__ import annotations

import pytest

from ioc_runtime.migrate import Findings
from ioc_runtime.migrate.code import Code
from ioc_runtime.migrate.reading import read
from unit.migrate.support import made, notes, problems, spec


@pytest.mark.parametrize(
    ("config", "wanted", "expected"),
    [
        ("", {}, "BEAMLINE:DEFAULT:MINE:"),
        ("prefix: VAC", {}, "BEAMLINE:DEFAULT:VAC:"),
        ("prefix: VAC", {"controller": "SPARC:CONTROL"}, "SPARC:CONTROL:VAC:"),
        ("", {"beamline": "sparc", "namespace": "sparc"}, "SPARC:MINE:"),
        ("", {"beamline": "sparc", "namespace": "lab"}, "SPARC:LAB:MINE:"),
        ("prefix: VAC", {"prefix": "TEST:IOC:"}, "TEST:IOC:"),
    ],
)
def test_pv_names_are_those_of_iocmng(config, wanted, expected):
    assert spec(config, **wanted)["prefix"] == expected


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ("{}", {"mode": "periodic", "period": 1.0}),
        ("{mode: continuous, interval: 0.2}", {"mode": "periodic", "period": 0.2}),
        ("{mode: Reactive, interval: 5}", {"mode": "reactive"}),
        ("{interval: 0}", {"mode": "periodic", "period": 0.001}),
    ],
)
def test_modes(parameters, expected):
    found = spec(f"parameters: {parameters}")
    assert {key: found[key] for key in ("mode", "period") if key in found} == expected


@pytest.mark.parametrize("parameters", ["{mode: triggered}", "{triggered: true}"])
def test_mode_triggered_runs_the_code_on_run_which_is_a_name_of_trigger(parameters):
    code = Code("Mine", "IocTask", frozenset({"triggered"}))
    converted = made(f"parameters: {parameters}", code)
    assert converted.document["spec"]["mode"] == "triggered"
    assert "BEAMLINE:DEFAULT:MINE:RUN" in converted.compiled.names


def test_mode_triggered_without_code_is_a_problem():
    assert "a plugin with triggered()" in problems("parameters: {mode: triggered}")[0]


@pytest.mark.parametrize(
    ("parameters", "place"),
    [
        ("{mode: reactiv}", "parameters.mode"),
        ("{interval: '0.2'}", "parameters.interval"),
        ("{interval: -1}", "parameters.interval"),
        ("{timeout: soon}", "parameters.timeout"),
        ("12", "parameters"),
    ],
)
def test_a_parameter_of_iocmngs_own_that_it_misreads_is_a_problem(parameters, place):
    (found,) = problems(f"parameters: {parameters}")
    assert found.startswith(f"config.yaml: {place}: ")


def test_parameters_keep_their_structure_and_what_cannot_be_one_stays_in_the_file():
    config = "parameters: {limit: 2, scale: {a: [1, {b: 2}]}, 'a b': 1, X: 1, empty: null}\n"
    config += "arguments: {inputs: {x: {}}}"
    assert spec(config)["parameters"] == {"limit": 2, "scale": {"a": [1, {"b": 2}]}}
    assert notes(config).count("stays in the file") == 3


def test_given_parameters_are_merged_over_those_of_the_file():
    config = "parameters: {interval: 1, deep: {a: 1, b: 2}}"
    found = spec(config, parameters={"interval": 0.5, "deep": {"b": 3}})
    assert found["period"] == 0.5
    assert found["parameters"]["deep"] == {"a": 1, "b": 3}


def test_control_parameters_that_say_nothing_here_are_told():
    text = notes("parameters: {pva: false, version: '1.2', retry_interval: 3}")
    assert "read by nobody in iocmng" in text
    assert "VERSION shows" in text
    assert "links reconnect by themselves" in text


def test_the_protocol_is_that_of_iocmng_run_by_default():
    config = "arguments: {inputs: {x: {link: A}}}\ntransforms: []"
    assert made(config).compiled.plan.inputs[0].link.scheme == "pva"
    assert made(config, protocol="ca").compiled.plan.inputs[0].link.scheme == "ca"


def test_a_job():
    job = Code("Mine", "IocJob", frozenset({"execute"}))
    config = "rules: [{}]\narguments: {inputs: {x: {link: A}}, outputs: {o: {latch: true}}}"
    converted = made(config, job)
    assert converted.document["kind"] == "IocJob"
    assert converted.compiled.plan.outputs[0].owner == "plugin"
    assert "a job of iocmng ignores `link`" in notes(config, job)
    assert "left out: a job latches nothing" in notes(config, job)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\na: 2", "each key once"),
        ("[1, 2]", "a map"),
        ("a: [", "YAML in line"),
        ("1: x", "quotes around this key"),
        ("on: x", "quotes around this key"),
        ("a: 2026-01-31", "quote it"),
        ("a: .inf", "a finite number"),
        ("a: &x [*x]", "at most"),
        ("a: !!python/object/apply:os.system [ls]", "YAML"),
        ("a: &a [1,1,1,1,1,1,1,1,1]\n"
         + "".join(f"{c}: &{c} [{','.join(['*' + p] * 9)}]\n" for p, c in
                   zip("abcdef", "bcdefg", strict=True)), "at most"),
        ("\x00", "YAML"),
        ("x" * (2**20 + 1), "at most"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_config_is_told_and_costs_little(text, expected):
    findings = Findings("config.yaml")
    read(text, findings)
    assert any(expected in str(problem) for problem in findings.problems), findings.problems


def test_numbers_are_read_as_iocmng_reads_them():
    findings = Findings()
    assert read("{a: 1e-5, b: 1.0e-5, c: y, d: on}", findings) == {
        "a": "1e-5",
        "b": 1e-5,
        "c": "y",
        "d": True,
    }
