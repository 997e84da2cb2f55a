"""Stories about what is unknown, latched or in alarm: A8 to A13."""

from __future__ import annotations

import time

from benchmarks.safety.driving import OURS, WATCHED
from benchmarks.safety.stage import Event, Refused, Stage, Task, Watch
from benchmarks.safety.story import Seen, story

INVALID = 3
WRITE = 2
STATUSES = {WRITE: "WRITE", 12: "CALC", 14: "LINK"}
SEVERITIES = ("NO_ALARM", "MINOR", "MAJOR", "INVALID")


def _show(event: Event) -> str:
    return f"{event.value:g} {SEVERITIES[event.severity]}"


def _invalid(watch: Watch, within: float) -> bool:
    return watch.until(lambda event: event.severity == INVALID, within) is not None


@story(
    "A8",
    "a rule that raises counts as false, and a NaN never trips: the alarm says OK",
    "the alarm goes INVALID in both cases",
)
def raising_rule(stage: Stage) -> Seen:
    stage.field()
    stage.start(
        Task(
            """
            inputs:
              temp: {type: float, link: "${link}TEMP"}
            outputs:
              raising: {type: bool}
              nan: {type: bool}
            rules:
              - {id: root, condition: "sqrt(temp) > 7", outputs: {raising: 1}}
              - {id: hot, condition: "temp > 50", outputs: {nan: 1}}
            ruleDefaults: {raising: 0, nan: 0}
            """,
            """
            parameters: {mode: reactive, interval: 0.5}
            arguments:
              inputs:
                temp: {type: float, link: $TEMP, link_mode: monitor, trigger: true}
              outputs:
                raising: {type: bool}
                nan: {type: bool}
            rules:
              - {id: root, condition: "sqrt(temp) > 7", outputs: {raising: 1}}
              - {id: hot, condition: "temp > 50", outputs: {nan: 1}}
            rule_defaults: {raising: 0, nan: 0}
            """,
        )
    )
    raising, nan = stage.watch("raising"), stage.watch("nan")
    stage.gauge(30)
    time.sleep(1)
    stage.gauge(-1)
    good = _invalid(raising, 2)
    text = f"sqrt(-1): {_show(raising.now)}"
    stage.gauge(30)
    time.sleep(1)
    stage.gauge(float("nan"))
    good &= _invalid(nan, 2)
    return Seen(good, f"{text}; NaN: {_show(nan.now)}")


@story(
    "A9",
    "a latch is overwritten by another rule or a transform, lost at CLEAR and at restart",
    "every latch holds until its cause is gone and CLEAR is put, restarts included",
)
def weak_latch(stage: Stage) -> Seen:
    stage.field()
    stage.start(
        Task(
            """
            inputs:
              temp: {type: float, link: "${link}TEMP"}
            outputs:
              ov: {type: bool, latch: rise}
              tr: {type: bool, latch: rise}
              held: {type: bool, latch: rise}
            transforms:
              - {output: tr, expression: "temp > 50"}
            rules:
              - {id: trip, condition: "temp > 50", outputs: {ov: 1}}
              - {id: relax, condition: "temp < 30", outputs: {ov: 0}}
              - {id: hot, condition: "temp > 50", outputs: {held: 1}}
            ruleDefaults: {ov: 0, held: 0}
            """,
            """
            parameters: {mode: reactive, interval: 0.5}
            arguments:
              inputs:
                temp: {type: float, link: $TEMP, link_mode: monitor, trigger: true}
              outputs:
                ov: {type: bool, latch: true}
                tr: {type: bool, latch: true}
                held: {type: bool, latch: true}
            transforms:
              - {output: tr, expression: "temp > 50"}
            rules:
              - {id: trip, condition: "temp > 50", outputs: {ov: 1}}
              - {id: relax, condition: "temp < 30", outputs: {ov: 0}}
              - {id: hot, condition: "temp > 50", outputs: {held: 1}}
            rule_defaults: {ov: 0, held: 0}
            """,
        )
    )
    names = ("ov", "tr", "held")
    watches = {name: stage.watch(name) for name in names}
    stage.gauge(60)
    if not all(watch.reaches(1, 5) for watch in watches.values()):
        return Seen(False, "the latches did not engage")
    stage.gauge(20)
    time.sleep(1.5)
    by_rule, by_transform = watches["ov"].now.value, watches["tr"].now.value
    stage.gauge(60)
    time.sleep(0.5)
    stage.put("CLEAR", 1)
    time.sleep(1.5)
    stage.gauge(20)
    time.sleep(1.5)
    after_clear = watches["held"].now.value
    stage.gauge(60)
    time.sleep(1.0)
    stage.gauge(20)
    time.sleep(1.0)
    stage.restart()
    again = stage.watch("held").now.value
    values = (by_rule, by_transform, after_clear, again)
    return Seen(
        values == (1, 1, 1, 1),
        "held against another rule: {:g}, a transform: {:g}, "
        "CLEAR during the trip: {:g}, a restart: {:g}".format(*values),
    )


@story(
    "A9b",
    "a latched output without a default cannot be cleared",
    "CLEAR releases it, or the task is refused beforehand",
)
def latch_without_default(stage: Stage) -> Seen:
    stage.field()
    try:
        stage.start(
            Task(
                OURS.replace("{type: bool}", "{type: bool, latch: rise}").replace(
                    "ruleDefaults: {alarm: 0}", ""
                ),
                WATCHED.replace("{type: bool}", "{type: bool, latch: true}").replace(
                    "rule_defaults: {alarm: 0}", ""
                ),
            )
        )
    except Refused as error:
        return Seen(True, f"refused: {error}")
    alarm = stage.watch("alarm")
    stage.gauge(90)
    if not alarm.reaches(1, 5):
        return Seen(False, "the alarm never came")
    stage.gauge(20)
    time.sleep(1)
    stage.put("CLEAR", 1)
    return Seen(alarm.reaches(0, 4), f"alarm is {alarm.now.value:g} with TEMP 20, after CLEAR")


@story(
    "A10",
    "a dead input keeps its last value and its mirror says NO_ALARM",
    "the mirror and the alarm are INVALID within 3 s",
)
def dead_input(stage: Stage) -> Seen:
    stage.field()
    stage.start(Task(OURS, WATCHED))
    mirror, alarm = stage.watch("temp"), stage.watch("alarm")
    stage.gauge(21)
    time.sleep(1)
    stage.field_dies()
    good = _invalid(mirror, 3) & _invalid(alarm, 3)
    return Seen(good, f"mirror {_show(mirror.now)}, alarm {_show(alarm.now)}")


@story(
    "A11",
    "the alarm forced by a dead input has a wrong status and flaps with each cycle",
    "one steady alarm whose status says why (never WRITE)",
)
def flapping_alarm(stage: Stage) -> Seen:
    stage.field()
    stage.start(
        Task(
            """
            mode: periodic
            period: 0.2
            inputs:
              temp: {type: float, link: "${link}TEMP"}
            outputs:
              copy: {type: float}
              warm: {type: bool}
            transforms:
              - {output: copy, expression: "temp + 0"}
            rules:
              - {id: warm, condition: "temp > 0", message: warm, outputs: {warm: 1}}
            ruleDefaults: {warm: 0}
            """,
            """
            parameters: {mode: continuous, interval: 0.2}
            arguments:
              inputs:
                temp: {type: float, link: $TEMP, link_mode: monitor}
              outputs:
                copy: {type: float}
                warm: {type: bool}
            transforms:
              - {output: copy, expression: "temp + 0"}
            rules:
              - {id: warm, condition: "temp > 0", message: warm, outputs: {warm: 1}}
            rule_defaults: {warm: 0}
            """,
        )
    )
    copy = stage.watch_ca("copy")
    stage.gauge(21)
    time.sleep(1)
    stage.field_dies()
    if copy.until(lambda event: event.severity > 0, 8) is None:
        return Seen(False, "no alarm within 8 s")
    copy.forget()
    seconds = 2 if stage.brief else 8
    time.sleep(seconds)
    severities = [event.severity for event in copy.events]
    flaps = sum(a != b for a, b in zip(severities, severities[1:], strict=False))
    worst = max(copy.events, key=lambda event: event.severity)
    good = flaps == 0 and worst.severity == INVALID and worst.status != WRITE
    status = STATUSES.get(worst.status, f"status {worst.status}")
    return Seen(
        good, f"{SEVERITIES[worst.severity]}/{status}, {flaps} changes of severity in {seconds} s"
    )


@story(
    "A12",
    "an alarm that depends on a buffer of a dead input stays NO_ALARM",
    "what is computed from the buffer is INVALID within 3 s",
)
def dead_buffer(stage: Stage) -> Seen:
    stage.field()
    stage.start(
        Task(
            """
            inputs:
              temp: {type: float, link: "${link}TEMP", buffer: 10}
            outputs:
              alarm: {type: bool}
              mean: {type: float}
            transforms:
              - {output: mean, expression: "mean(temp_buf)"}
            rules:
              - {id: hot, condition: "mean(temp_buf) > 50", outputs: {alarm: 1}}
            ruleDefaults: {alarm: 0}
            """,
            """
            parameters: {mode: reactive, interval: 0.5}
            arguments:
              inputs:
                temp: {type: float, link: $TEMP, link_mode: monitor, trigger: true,
                       buffer_size: 10}
              outputs:
                alarm: {type: bool}
                mean: {type: float}
            transforms:
              - {output: mean, expression: "mean(temp_buf)"}
            rules:
              - {id: hot, condition: "mean(temp_buf) > 50", outputs: {alarm: 1}}
            rule_defaults: {alarm: 0}
            """,
        )
    )
    mean, alarm = stage.watch("mean"), stage.watch("alarm")
    stage.gauge(21)
    time.sleep(1)
    stage.field_dies()
    good = _invalid(mean, 3) & _invalid(alarm, 3)
    return Seen(good, f"mean {_show(mean.now)}, alarm {_show(alarm.now)}")


@story(
    "A13",
    "the source's severity and time are ignored: INVALID readings are trusted",
    "the mirror is INVALID with the source's time, and the alarm is INVALID",
)
def trusted_invalid(stage: Stage) -> Seen:
    stage.field()
    stage.start(Task(OURS, WATCHED))
    source, mirror = stage.watch_field("TEMP"), stage.watch("temp")
    alarm = stage.watch("alarm")
    stage.gauge_severity("INVALID")
    stage.gauge(22)
    mirror.reaches(22, 2)
    good = _invalid(mirror, 2) & _invalid(alarm, 2)
    off = abs(mirror.now.stamp - source.now.stamp) / 1e3
    return Seen(
        good and off < 1,
        f"mirror {_show(mirror.now)}, alarm {_show(alarm.now)}, time off by {off:.0f} µs",
    )


def _dedent(text: str) -> str:
    import textwrap

    return textwrap.dedent(text)
