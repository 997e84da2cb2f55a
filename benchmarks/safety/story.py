"""What a story is, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.safety.stage import Stage


@dataclass(frozen=True)
class Seen:
    """The end of a story."""

    good: bool
    text: str
    """What was seen, in one line."""


@dataclass(frozen=True)
class Story:
    """One defect: how it was found, what a sound system does, and how to look."""

    key: str
    defect: str
    expected: str
    play: Callable[[Stage], Seen]
    protocols: tuple[str, ...] = ("ca", "pva")


STORIES: dict[str, Story] = {}
"""All stories by key, in order."""


def story(
    key: str, defect: str, expected: str, protocols: tuple[str, ...] = ("ca", "pva")
) -> Callable[[Callable[[Stage], Seen]], Callable[[Stage], Seen]]:
    """Register a function as the story of this defect."""

    def register(play: Callable[[Stage], Seen]) -> Callable[[Stage], Seen]:
        STORIES[key] = Story(key, defect, expected, play, protocols)
        return play

    return register
