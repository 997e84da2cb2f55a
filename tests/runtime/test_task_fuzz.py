"""Seeded manifests that the compiler accepts are served (benchmarks/serve_fuzz.py: 200)."""

from __future__ import annotations

from itertools import islice

import pytest

from ioc_runtime.compile import compile_text
from support.spawn import Spawn
from unit.fuzz.generator import accepted

COUNT = 10
CASES = list(islice(accepted(1000), COUNT))


@pytest.mark.parametrize(("seed", "text"), CASES, ids=[str(seed) for seed, _ in CASES])
def test_an_accepted_manifest_is_served_to_its_end(spawn: Spawn, seed: int, text: str):
    for compiled in compile_text(text):
        task = spawn.runtime(compiled.plan, "--no-search", "--snapshot", "0.1")
        assert task.stop() == 0
        assert "Traceback" not in task.output + task.errors
