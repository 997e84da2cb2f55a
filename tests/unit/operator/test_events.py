"""Events: posted when something changes, counted when it repeats, never a flood."""

from __future__ import annotations

import asyncio
from typing import Any

from ioc_operator.events import BURST, PACE, WAITING, Recorder
from ioc_operator.kube.errors import NotFound, Unreachable
from ioc_operator.names import Key
from ioc_operator.status import Event
from ioc_operator.store import Owner

OWNER = Owner(Key("IocTask", "bl01", "guard"), "u1", 1, 1, "", False, {}, b"{}", b"{}")
CRASH = Event("Warning", "CrashLoop", "exit code 12")


class Server:
    """Takes Events."""

    def __init__(self) -> None:
        self.created: list[dict[str, Any]] = []
        self.patched: list[dict[str, Any]] = []
        self.expired = False
        self.down = False

    async def create(self, _: object, body: dict[str, Any]) -> dict[str, Any]:
        if self.down:
            raise Unreachable("down")
        self.created.append(body)
        return body

    async def patch(self, _: object, __: str, name: str, body: dict[str, Any]) -> dict[str, Any]:
        if self.expired:
            raise NotFound("expired")
        self.patched.append(body | {"name": name})
        return body


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def run(story: Any) -> tuple[Server, Recorder]:
    """Run `story(recorder, clock, settle)`; `settle` waits until all that can go has gone."""
    server, clock = Server(), Clock()

    async def body() -> Recorder:
        recorder = Recorder(server, "pod", clock)  # type: ignore[arg-type]
        task = asyncio.create_task(recorder.run())

        async def settle() -> None:
            for _ in range(20 * BURST):
                await asyncio.sleep(0)

        await story(recorder, server, clock, settle)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return recorder

    return server, asyncio.run(body())


def test_an_event_names_its_object_and_who_says_it() -> None:
    async def story(recorder: Recorder, server: Server, clock: Clock, settle: Any) -> None:
        recorder.record(OWNER, [CRASH])
        await settle()

    server, _ = run(story)
    (body,) = server.created
    assert body["regarding"]["uid"] == "u1"
    assert (body["reason"], body["note"], body["type"]) == ("CrashLoop", "exit code 12", "Warning")
    assert body["reportingInstance"] == "pod"


def test_a_repeated_event_counts_up_the_one_that_is_there_at_most_once_a_minute() -> None:
    async def story(recorder: Recorder, server: Server, clock: Clock, settle: Any) -> None:
        for _ in range(50):
            recorder.record(OWNER, [CRASH])
            await settle()
            clock.now += 1.0
        clock.now += PACE
        recorder.record(OWNER, [CRASH])
        await settle()

    server, recorder = run(story)
    assert len(server.created) == 1
    assert [each["series"]["count"] for each in server.patched] == [51]
    assert recorder.outcomes.value("aggregated") == 49


def test_one_that_has_expired_is_made_anew() -> None:
    async def story(recorder: Recorder, server: Server, clock: Clock, settle: Any) -> None:
        recorder.record(OWNER, [CRASH])
        await settle()
        clock.now += PACE + 1
        server.expired = True
        recorder.record(OWNER, [CRASH])
        await settle()

    server, _ = run(story)
    assert len(server.created) == 2


def test_a_flood_is_bounded_and_counted() -> None:
    async def story(recorder: Recorder, server: Server, clock: Clock, settle: Any) -> None:
        flood = [Event("Normal", "Served", f"pod {n}") for n in range(3 * WAITING)]
        recorder.record(OWNER, flood)
        await settle()

    server, recorder = run(story)
    assert len(server.created) <= BURST + 1, "the clock stands still: no more than a burst"
    assert recorder.outcomes.value("dropped") == 2 * WAITING


def test_an_api_server_that_is_down_loses_events_and_nothing_else() -> None:
    async def story(recorder: Recorder, server: Server, clock: Clock, settle: Any) -> None:
        server.down = True
        recorder.record(OWNER, [CRASH])
        await settle()
        server.down = False
        recorder.record(OWNER, [Event("Normal", "Served", "again")])
        await settle()

    server, recorder = run(story)
    assert [each["reason"] for each in server.created] == ["Served"]
    assert recorder.outcomes.value("failed") == 1
