"""Stories about what reaches an actuator, and when rules run: A1 to A7, A14."""

from __future__ import annotations

import random
import time

from benchmarks.safety.stage import PAUSED, Stage, Task
from benchmarks.safety.story import Seen, story

WATCHED = """
    parameters: {mode: reactive, interval: 0.5}
    arguments:
      inputs:
        temp: {type: float, link: $TEMP, link_mode: monitor, trigger: true}
      outputs:
        alarm: {type: bool}
    rules:
      - {id: hot, condition: "temp > 50", outputs: {alarm: 1}}
    rule_defaults: {alarm: 0}
"""
OURS = """
    inputs:
      temp: {type: float, link: "${link}TEMP"}
    outputs:
      alarm: {type: bool}
    rules:
      - {id: hot, condition: "temp > 50", outputs: {alarm: 1}}
    ruleDefaults: {alarm: 0}
"""


@story(
    "A1",
    "a rule's put to an actuator is lost when the rule runs in a client callback",
    "ACT is 7 within 2 s of the trip",
)
def lost_actuator_put(stage: Stage) -> Seen:
    stage.field()
    stage.start(
        Task(
            """
            inputs:
              temp: {type: float, link: "${link}TEMP"}
            outputs:
              act: {type: float, link: "${link}ACT"}
            rules:
              - {id: hot, condition: "temp > 50", outputs: {act: 7}}
            """,
            """
            parameters: {mode: reactive, interval: 0.5}
            arguments:
              inputs:
                temp: {type: float, link: $TEMP, link_mode: monitor, trigger: true}
              outputs:
                act: {type: float, link: $ACT}
            rules:
              - {id: hot, condition: "temp > 50", actuators: {act: 7}}
            """,
        )
    )
    act = stage.watch_field("ACT")
    stage.gauge(91)
    took = act.until(lambda event: event.value == 7, 12)
    if took is None:
        return Seen(False, "ACT is still 0 after 12 s")
    return Seen(took <= 2, f"ACT is 7 after {took:.2f} s")


@story(
    "A2",
    "an output with a link blocks the client thread and ends inverted",
    "ACT follows the alarm within 2 s and agrees with it",
)
def blocked_output(stage: Stage) -> Seen:
    stage.field()
    stage.start(
        Task(
            OURS.replace("{type: bool}", '{type: bool, link: "${link}ACT"}'),
            WATCHED.replace("{type: bool}", "{type: bool, link: $ACT}"),
        )
    )
    act = stage.watch_field("ACT")
    seen, good = [], True
    for temp, wanted in ((91, 1), (92, 1), (20, 0)):
        stage.gauge(temp)
        time.sleep(2.0)
        good &= act.now.value == wanted
        seen.append(f"{temp} → {act.now.value:g}")
    return Seen(good, "ACT 2 s after TEMP: " + ", ".join(seen))


@story(
    "A3",
    "every evaluation writes the default and then the rule's value",
    "ACT does not move while the condition is constantly true",
)
def default_glitch(stage: Stage) -> Seen:
    stage.field(temp=90)
    stage.start(
        Task(
            "mode: periodic\nperiod: 0.2\n"
            + _flat(OURS.replace("{type: bool}", '{type: bool, link: "${link}ACT"}')),
            WATCHED.replace("{type: bool}", "{type: bool, link: $ACT}")
            .replace("reactive", "continuous")
            .replace("0.5", "0.2"),
        )
    )
    act = stage.watch_field("ACT")
    act.until(lambda event: event.value == 1, 5)
    act.forget()
    time.sleep(3.0)
    edges = act.changes()
    return Seen(
        edges == 0 and act.now.value == 1, f"{edges} edges in 3 s, ACT is {act.now.value:g}"
    )


@story(
    "A4",
    "a condition that is true at start never trips",
    "the alarm is 1 within 5 s of the start",
)
def true_at_start(stage: Stage) -> Seen:
    stage.field(temp=90)
    stage.start(Task(OURS, WATCHED))
    alarm = stage.watch("alarm")
    took = alarm.until(lambda event: event.value == 1, 5)
    return Seen(took is not None, f"alarm is {alarm.now.value:g} with TEMP 90")


@story(
    "A5",
    "CLEAR with the condition still true sets the output to the safe value",
    "the alarm is 1 five seconds after CLEAR",
)
def clear_while_true(stage: Stage) -> Seen:
    stage.field()
    stage.start(
        Task(
            OURS.replace("{type: bool}", "{type: bool, latch: rise}"),
            WATCHED.replace("{type: bool}", "{type: bool, latch: true}"),
        )
    )
    alarm = stage.watch("alarm")
    stage.gauge(90)
    if not alarm.reaches(1, 5):
        return Seen(False, "the alarm never came")
    stage.put("CLEAR", 1)
    time.sleep(5.0)
    return Seen(alarm.now.value == 1, f"alarm is {alarm.now.value:g} with TEMP 90")


@story(
    "A6",
    "a change while the task is paused, or met by a reconnect probe, runs no rule",
    "the alarm is raised after each of 10 re-enables",
)
def changed_while_paused(stage: Stage) -> Seen:
    stage.field()
    stage.start(Task(OURS, WATCHED.replace("0.5", "0.1")))
    alarm, status = stage.watch("alarm"), stage.watch("STATUS")
    raised, rounds = 0, 3 if stage.brief else 10
    for _ in range(rounds):
        stage.gauge(20)
        if not alarm.reaches(0, 2):
            return Seen(False, f"the alarm stays 1 with TEMP 20 (after {raised} good rounds)")
        stage.put("ENABLE", 0)
        status.reaches(PAUSED, 3)
        stage.gauge(90)
        time.sleep(0.3)
        stage.put("ENABLE", 1)
        raised += alarm.until(lambda e: e.value == 1 and e.severity < 3, 1.5) is not None
        if alarm.now.value != 1:  # help it on, so that the next round starts clean
            stage.gauge(91)
            alarm.reaches(1, 1)
    return Seen(raised == rounds, f"raised after {raised} of {rounds} re-enables")


@story(
    "A7",
    "two inputs are evaluated in two threads without a lock: the last word may be wrong",
    "no settled state is wrong",
)
def unlocked_evaluation(stage: Stage) -> Seen:
    stage.field()
    stage.start(
        Task(
            """
            inputs:
              first: {type: float, link: "${link}X"}
              second: {type: float, link: "${link}Y"}
            outputs:
              alarm: {type: bool}
            rules:
              - {id: both, condition: "first > 0.5 and second >= 0", outputs: {alarm: 1}}
            ruleDefaults: {alarm: 0}
            """,
            """
            parameters: {mode: reactive, interval: 5}
            arguments:
              inputs:
                first: {type: float, link: $X, link_mode: monitor, trigger: true}
                second: {type: float, link: $Y, link_mode: monitor, trigger: true}
              outputs:
                alarm: {type: bool}
            rules:
              - {id: both, condition: "first > 0.5 and second >= 0", outputs: {alarm: 1}}
            rule_defaults: {alarm: 0}
            """,
        )
    )
    alarm = stage.watch("alarm")
    chance = random.Random(7)
    wrong = rounds = 0
    end = time.monotonic() + (4 if stage.brief else 25)
    while time.monotonic() < end:
        rounds += 1
        x = float(rounds % 2)
        moves = [("X", x), ("Y", float(rounds))]
        chance.shuffle(moves)
        for name, value in moves:
            stage.gauge(value, name)
        if not alarm.reaches(x, 0.05):
            time.sleep(1.0)
            wrong += alarm.now.value != x
        time.sleep(0.003)
    return Seen(wrong == 0, f"{wrong} of {rounds} settled states wrong, and still so after 1 s")


@story(
    "A14",
    "a trip shorter than the period is missed, monitors or not",
    "each of 4 trips of half a second is seen, with a period of 3 s",
)
def short_trip(stage: Stage) -> Seen:
    stage.field()
    stage.start(
        Task(
            "mode: periodic\nperiod: 3\n" + _flat(OURS),
            WATCHED.replace("reactive", "continuous").replace("0.5", "3"),
        )
    )
    time.sleep(2.5)
    alarm = stage.watch("alarm")
    seen, trips = 0, 2 if stage.brief else 4
    for _ in range(trips):
        alarm.forget()
        stage.gauge(90)
        time.sleep(0.5)
        stage.gauge(20)
        time.sleep(3.2)
        seen += any(event.value == 1 for event in alarm.events[1:])
        time.sleep(0.35)
    return Seen(seen == trips, f"{seen} of {trips} seen")


def _flat(text: str) -> str:
    import textwrap

    return textwrap.dedent(text)
