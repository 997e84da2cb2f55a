"""One task or job in full: what its object says, in the order in which one asks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from rich.text import Text

from ioc_runtime.cli.condition_table import (
    OVER,
    READY_STYLES,
    age,
    condition,
    conditions,
    mapping,
    moment,
    row,
    text,
)
from ioc_runtime.cli.terminal import STATES

GOOD_WHEN_FALSE: Final = ("Stalled", "Failed", "Reconciling", "Suspended")
"""Conditions whose True is no good news."""


def detail(item: Mapping[str, Any], now: datetime) -> Iterator[Text]:
    """The lines about an object, without its live values."""
    yield from _head(item, now)
    yield from _reported(item, now)
    yield from _conditions(item, now)
    yield from _pod(item, now)
    yield from _run(item, now)
    yield from _history(item)


def _head(item: Mapping[str, Any], now: datetime) -> Iterator[Text]:
    one = row(item)
    line = Text.assemble((f"{one.kind} {one.namespace}/{one.name}", "bold"), "  Ready ")
    line.append(one.ready, READY_STYLES[one.ready])
    yield line.append(f"  {one.reason}")
    if one.ready != "True" and one.message:
        yield Text(f"  {one.message}")
    claim = mapping(mapping(item.get("status")).get("claim"))
    prefix = text(claim.get("prefix")) or text(mapping(item.get("spec")).get("prefix"))
    generation = text(mapping(item.get("metadata")).get("generation"))
    seen = text(mapping(item.get("status")).get("observedGeneration"))
    facts = [f"prefix {prefix}" if prefix else "", f"generation {generation} (seen {seen})"]
    facts.append(f"made {age(one.created, now)} ago" if one.created else "")
    yield Text("  " + "  ".join(fact for fact in facts if fact), "dim")


def _reported(item: Mapping[str, Any], now: datetime) -> Iterator[Text]:
    """What the runtime says of itself; only while the operator holds it to be live."""
    one = row(item)
    since = f"  for {age(one.since, now)}" if one.since else ""
    line = Text.assemble("state ", (one.state, STATES.get(one.state, "")), since)
    runtime = mapping(mapping(item.get("status")).get("runtime"))
    if not is_live(item):
        yield line
        return
    message = text(runtime.get("message"))
    yield line.append(f"  {message}" if message else "")
    for kind in ("inputs", "outputs"):
        links = mapping(runtime.get(kind))
        if links.get("total"):
            yield _links(kind, links)
    rules = mapping(runtime.get("rules"))
    for label, names in (
        ("rules active", rules.get("active")),
        ("rules that cannot be judged", rules.get("invalid")),
        ("latched", list(mapping(runtime.get("latches")))),
    ):
        if isinstance(names, list) and names:
            yield Text(f"{label}: {', '.join(text(name) for name in names)}", "yellow")
    error = mapping(runtime.get("lastError"))
    if error:
        when = _clock(moment(error.get("time")))
        yield Text(f"last error{when}: {text(error.get('text') or error.get('reason'))}", "red")


def is_live(item: Mapping[str, Any]) -> bool:
    """Whether the operator says that `status.runtime` is of the pod that lives now."""
    state = row(item).state
    return state not in ("Unknown", "Unreported", *OVER)


def _links(kind: str, links: Mapping[str, Any]) -> Text:
    names = links.get("disconnected")
    line = f"{kind} {text(links.get('connected'))}/{text(links.get('total'))} connected"
    if isinstance(names, list) and names:
        return Text(f"{line}; not: {', '.join(text(name) for name in names)}", "yellow")
    return Text(line)


def _conditions(item: Mapping[str, Any], now: datetime) -> Iterator[Text]:
    found = [one for one in conditions(item) if one.get("type") != "Ready"]
    if not found:
        return
    yield _title("conditions")
    for one in found:
        kind, truth = text(one.get("type")), text(one.get("status"))
        bad = (truth == "True") == (kind in GOOD_WHEN_FALSE)
        style = READY_STYLES["Unknown"] if truth == "Unknown" else ("red" if bad else "green")
        line = Text.assemble(f"  {kind:<16} ", (f"{truth:<8}", style))
        since = age(moment(one.get("lastTransitionTime")), now)
        line.append(f"{since:>6}  ", "dim").append(f"{text(one.get('reason'))}")
        message = text(one.get("message"))
        same = message == text(condition(item, "Ready").get("message"))
        yield line.append(f"  {message}" if message and not same else "")


def _pod(item: Mapping[str, Any], now: datetime) -> Iterator[Text]:
    pod = mapping(mapping(item.get("status")).get("pod"))
    if not pod:
        return
    started = moment(pod.get("startedAt"))
    parts = [
        text(pod.get("name")),
        f"on node {text(pod.get('node'))}" if pod.get("node") else "",
        text(pod.get("ip")),
        f"image {text(pod.get('image'))}" if pod.get("image") else "",
        f"up {age(started, now)}" if started else "",
        f"restarts {text(pod.get('restarts'))}" if pod.get("restarts") else "",
    ]
    yield Text("pod " + "  ".join(part for part in parts if part))


def _run(item: Mapping[str, Any], now: datetime) -> Iterator[Text]:
    run = mapping(mapping(item.get("status")).get("run"))
    if not run:
        return
    begun, over = (moment(run.get(key)) for key in ("startTime", "completionTime"))
    parts = [
        f"run {text(run.get('number'))}",
        f"started {_clock(begun).strip()}" if begun else "not started",
        f"ended {_clock(over).strip()} after {age(begun, over)}" if begun and over else "",
        text(run.get("message")) or (f"exit code {text(run.get('exitCode'))}" if over else ""),
    ]
    yield Text("  ".join(part for part in parts if part))
    if "result" in run:
        yield Text(f"  result {_json(run['result'])}")


def _json(value: object) -> str:
    import json

    return text(json.dumps(value, ensure_ascii=False))


def _history(item: Mapping[str, Any]) -> Iterator[Text]:
    ends = mapping(item.get("status")).get("history")
    if not isinstance(ends, list) or not ends:
        return
    yield _title("last ends")
    for end in map(mapping, ends):
        line = Text.assemble((f"  {_clock(moment(end.get('time'))).strip():<21}", "dim"))
        yield line.append(f"{text(end.get('reason')):<16} {text(end.get('message'))}")


def _title(words: str) -> Text:
    return Text(words, "bold")


def _clock(when: datetime | None) -> str:
    """A time in the time zone of who reads it."""
    return f" {when.astimezone():%Y-%m-%d %H:%M:%S}" if when else ""
