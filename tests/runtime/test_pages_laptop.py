"""What the documents tell a reader to type on one machine is typed, page by page."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.pages import PageError, run_on
from support.terminal import PATIENCE, Terminal, follow, why_no_network


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


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Terminal]:
    with Terminal(tmp_path / "page", "cluster") as terminal:
        yield terminal


def test_a_command_that_fails_fails_the_page(tmp_path: Path):
    with (
        pytest.raises(PageError, match="no-such-file"),
        Terminal(tmp_path / "page", "cluster") as shell,
    ):
        shell.run("true\ncat no-such-file\ntrue\n")


def test_another_exit_code_than_the_page_says_fails_it(shell: Terminal):
    shell.run("(exit 3)\n", 3)
    for code in (1, 0):
        with pytest.raises(PageError, match=f"ends with {code}, not 3"):
            shell.run(f"(exit {code})\n", 3)


def test_output_that_does_not_come_fails_the_page(shell: Terminal):
    shell.run("echo inputs 1/2 of   17.5 s\n")
    shell.expect("inputs 1/2\nof 3 s")
    for other in ("inputs 2/2", "outputs 1/2", "of 3 min"):
        with pytest.raises(PageError, match="does not print"):
            shell.expect(other)


def test_one_shell_types_all_of_a_page_and_keeps_what_it_is_told(shell: Terminal):
    shell.run("export GREETING=hello\nmkdir inner\ncd inner\n")
    assert shell.run('echo "$GREETING from $(basename $PWD)"') == "hello from inner\n"
    shell.unseen("echo unseen")
    shell.expect("hello from inner")


def test_a_look_is_repeated_until_it_shows_what_it_should(shell: Terminal):
    shell.look("echo x >>seen; test $(wc -l <seen) -ge 3 && echo there\n")
    shell.expect("there")
    assert (shell.directory / "seen").read_text() == "x\n" * 3


def test_another_terminal_goes_on_and_ends_by_ctrl_c(shell: Terminal):
    shell.start("2", "trap 'echo interrupted; exit' INT\necho up\nwhile :; do sleep 0.05; done\n")
    shell.expect("up")
    shell.run("echo meanwhile\n")
    shell.expect("up", "2")
    shell.interrupt("2")
    with pytest.raises(PageError, match="other.* has not been opened"):
        shell.expect("up", "2")


def test_what_hangs_is_ended_with_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(PATIENCE, "cluster", 0.5)
    with (
        pytest.raises(PageError, match="does not end"),
        Terminal(tmp_path / "page", "cluster") as shell,
    ):
        shell.run("sleep 600\n")
