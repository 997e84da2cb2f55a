"""PV names have colons; a terminal must not take them for pictures."""

from __future__ import annotations

import pytest

from ioc_runtime.cli import terminal


@pytest.mark.parametrize("stream", ["out", "err"])
def test_a_pv_name_between_colons_is_printed_as_it_is(
    stream: str, capsys: pytest.CaptureFixture[str]
):
    getattr(terminal, stream)().print("BL01:guard:alarm, a :fire: in A:x:B")
    printed = capsys.readouterr()
    assert getattr(printed, stream) == "BL01:guard:alarm, a :fire: in A:x:B\n"
