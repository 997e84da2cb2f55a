"""PVs that a plugin names, which are away, come back or hang."""

from __future__ import annotations

import contextlib
import socket
import time

import pytest

from runtime.by_name import HEAD, SPEC, result, work
from runtime.field import Field
from runtime.source import wait_until


def test_nothing_is_written_while_paused_not_even_what_waits_for_its_pv(field: Field):
    task = field.start(
        "mode: periodic\nperiod: 0.1\n" + SPEC,
        "--no-search",
        code=HEAD
        + """
    def work(self):
        self.set_message("waits")
        done = self.write({'ca://{src}F': 3.5, 'pva://{src}I': 8}, timeout=6)
        try:
            self.write({'ca://{src}F': 4.5})
        except Paused as error:
            return [plain(done), str(error)]
""",
    )
    field.shows("MESSAGE", "waits")
    field.ca.put("ENABLE", 0)
    field.shows("STATUS", 2)
    field.source.start()
    (done, text), took = result(task)
    assert took < 5.5
    assert all("ENABLE is 0" in error for _, _, error in done)
    assert text == "ca://{src}F is not written: the task is paused (ENABLE is 0)"
    assert (field.source.get("F"), field.source.get("I")) == (0.25, 7)


def test_a_write_that_timed_out_is_not_sent_when_its_pv_comes_later(field: Field):
    found, took, _ = work(field, "return plain(self.write({'{src}F': 9, 'pva://{src}I': 9}, 0.5))")
    assert all(error.endswith("it is not written") for _, _, error in found)
    assert took < 0.8
    field.source.start()
    wait_until(lambda: field.value("CYCLE_COUNT") > 40)
    assert (field.source.get("F"), field.source.get("I")) == (0.25, 7)


@pytest.mark.parametrize("scheme", ["ca", "pva"])
def test_a_pv_that_went_and_came_back_is_read_again(field: Field, scheme: str):
    field.source.start()
    task = field.start(
        "mode: periodic\nperiod: 0.2\n" + SPEC,
        "--no-search",
        code=HEAD
        + f"""
    def execute(self):
        reading = self.read('{scheme}://{{src}}I', timeout=0.15)
        self.set_output("own", -1 if reading.error else reading.value)
""",
    )
    field.shows("own", 7.0)
    field.source.kill()
    field.shows("own", -1.0)
    field.source.start()
    field.shows("own", 7.0, timeout=20)
    assert task.stop() == 0


@pytest.mark.parametrize("scheme", ["ca", "pva"])
def test_a_dead_pv_is_looked_for_no_more_often_when_it_is_asked_for_more(field: Field, scheme: str):
    place = field.env.places[3]  # nobody serves there; what comes is what clients look for
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear:
        ear.bind(("127.0.0.1", place.ca if scheme == "ca" else place.pva_search))
        ear.settimeout(0.1)
        heard: list[bytes] = []
        task = field.start(
            "mode: periodic\nperiod: 0.1\n" + SPEC,
            "--no-search",
            code=HEAD
            + f"""
    def work(self):
        end = time.monotonic() + 4
        calls = 0
        while time.monotonic() < end:
            calls += 1
            self.read('{scheme}://{{away}}NOBODY', timeout=0.02)
            self.write({{'{scheme}://{{away}}NOBODY': 1}}, timeout=0.02)
        return calls
""",
        )
        ended = time.monotonic() + 20
        while time.monotonic() < ended and "FOUND" not in task.output:
            with contextlib.suppress(TimeoutError):
                heard.append(ear.recv(65536))
    calls, _ = result(task)
    searches = sum(b"AWAY:NOBODY" in datagram for datagram in heard)
    assert calls > 60
    assert 1 <= searches <= 20


@pytest.mark.parametrize("scheme", ["ca", "pva"])
def test_a_server_that_hangs_costs_the_timeout_and_rules_go_on(field: Field, scheme: str):
    field.source.start()
    task = field.start(
        "mode: periodic\nperiod: 0.1\n" + SPEC,
        "--no-search",
        code=HEAD
        + f"""
    def work(self):
        self.read('{scheme}://{{src}}I')
        self.set_message("ready")
        while not self.get_input("level") > 2:
            time.sleep(0.01)
        self.set_message("asks")
        began = time.monotonic()
        read = self.read(['{scheme}://{{src}}I', 'level'], timeout=1.5)
        wrote = self.write({{'{scheme}://{{src}}I': 3}}, timeout=1)
        return [plain(read), plain(wrote), time.monotonic() - began]
""",
    )
    field.shows("MESSAGE", "ready")
    field.source.process.freeze()
    field.ca.put("level", 3)
    field.shows("MESSAGE", "asks")
    field.ca.put("level", 11)
    field.shows("alarm", 1, timeout=1)
    (read, wrote, took), _ = result(task)
    field.source.process.thaw()
    assert read[0][1:] == [None, "no answer within 1.5 s"]
    assert read[1][1] in (3.0, 11.0)
    assert "within 1 s; it may have been written" in wrote[0][2] or "not written" in wrote[0][2]
    assert 2.4 < took < 3.0


def test_a_task_that_stops_does_not_wait_for_a_long_read(field: Field):
    task = field.start(
        "mode: periodic\nperiod: 0.1\n" + SPEC,
        "--no-search",
        code=HEAD
        + """
    def work(self):
        self.set_message("asks")
        return plain(self.read('{away}NOBODY', timeout=600))
    def cleanup(self):
        self.logger.info("CLEAN %s", self.read('level').value)
""",
    )
    field.shows("MESSAGE", "asks")
    began = time.monotonic()
    assert task.stop() == 0
    assert time.monotonic() - began < 2
    assert any(x["text"] == "CLEAN 1.5" for x in task.said("log"))
