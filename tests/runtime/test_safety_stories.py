"""The safety defects of iocmng 2.7.9, played against this runtime (benchmarks/safety)."""

from __future__ import annotations

import pytest

from benchmarks.safety.__main__ import KEYS, compare


@pytest.mark.timeout(240)
def test_the_runtime_has_none_of_the_safety_defects():
    table, failed = compare("ours", KEYS, brief=True)  # side by side: most of it is waiting
    assert not failed, table
