"""What the documents tell a reader to type on one machine is typed, page by page."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from support.pages import run_on
from support.terminal import Terminal, follow, why_no_network


@pytest.fixture(scope="module")
def network() -> None:
    """The usual ports, on a network of its own."""
    if reason := why_no_network():
        if os.environ.get("CI", "").lower() in ("1", "true", "yes"):
            pytest.fail(f"CI must run what the documents show: {reason}")
        pytest.skip(f"no network of its own for a page: {reason}")


@pytest.mark.timeout(180)
@pytest.mark.parametrize("page", run_on("laptop"))
def test_what_a_page_tells_to_type_does_what_it_says(page: str, network: None, tmp_path: Path):
    with Terminal(tmp_path / "page", "laptop") as terminal:
        for block, seconds in follow(page, terminal):
            print(f"{seconds:5.1f} s  {block}")
