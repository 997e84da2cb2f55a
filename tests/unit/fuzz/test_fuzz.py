"""Some of the fuzz's manifests: a few hundred in CI; benchmarks/fuzz_manifests.py runs 20,000."""

from __future__ import annotations

import time
from itertools import islice

import pytest

from ioc_runtime.compile import ManifestError, compile_document, compile_text
from ioc_runtime.plan import from_json, to_json
from support.examples import examples
from unit.fuzz.generator import accepted, data, good, manifest

CHUNK = 20


@pytest.mark.parametrize("first", range(0, examples(240), CHUNK))
def test_a_manifest_compiles_or_is_refused_with_problems(first: int):
    for seed in range(first, first + CHUNK):
        text = manifest(seed)
        start = time.process_time()
        try:
            plans = [one.plan for one in compile_text(text, file="f.yaml")]
        except ManifestError as error:
            assert error.problems, seed
            assert str(error).encode(), seed
        else:
            assert all(from_json(to_json(plan)) == plan for plan in plans), seed
        # Ten times what benchmarks/fuzz_manifests.py allows: this is no benchmark.
        assert time.process_time() - start < 10, seed


@pytest.mark.parametrize("first", range(0, 60, CHUNK))
def test_plain_data_compiles_or_is_refused_with_problems(first: int):
    for seed in range(first, first + CHUNK):
        try:
            plan = compile_document(data(seed)).plan
        except ManifestError as error:
            assert error.problems, seed
            assert str(error).encode(), seed
        else:
            assert from_json(to_json(plan)) == plan, seed


def test_the_generator_gives_the_same_text_for_the_same_seed():
    assert [manifest(seed) for seed in range(20)] == [manifest(seed) for seed in range(20)]


def test_accepted_manifests_pass_and_are_worth_serving():
    found = list(islice(accepted(), 30))
    plans = [compile_text(text)[0].plan for _, text in found]
    assert len({text for _, text in found}) == 30
    assert sum(len(plan.signals) for plan in plans) > 100
    assert any(plan.rules for plan in plans)
    assert any(plan.transforms for plan in plans)


def test_most_manifests_that_ought_to_pass_do():
    passed = 0
    for seed in range(60):
        try:
            compile_text(good(seed))
            passed += 1
        except ManifestError as error:
            # What is left: PyYAML writes `n` without quotes, kubectl reads a boolean.
            words = ("kubectl reads a boolean", "expected a text")
            assert any(word in str(error) for word in words), (seed, str(error))
    assert passed > 40
