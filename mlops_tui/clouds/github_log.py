"""A job's log of GitHub Actions, cut into the lines of its steps.

GitHub gives one text for a job. Each line begins with its moment; each step begins with "##[group]Run …" and what it is
given, a step that cleans up with "Post job cleanup.", the end of the job with "Cleaning up orphan processes". A step's
output may hold such lines, too: a step begins at the first of them that is no earlier than itself, and among those of
one second (GitHub tells no more of a step) at the one that looks most like it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

MOMENT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.\d+Z ?")
GROUP, END, COMPLETE = "##[group]", "##[endgroup]", "Complete job"
BEGINNINGS = (f"{GROUP}Run ", "Post job cleanup.", "Cleaning up orphan processes")
HEADING_LINES = 200  # a script's lines and its environment stand before the end of a heading
STEPS_OF_THE_HOST = 1  # "Set up job" has what comes before the first beginning


def lines_of(text: str) -> list[str]:
    """Whatever else ends a line elsewhere (U+2028) is a part of one there."""
    return text.removeprefix("\ufeff").replace("\r\n", "\n").removesuffix("\n").split("\n") if text else []


def without_moments(lines: Sequence[str]) -> tuple[str, ...]:
    return tuple(MOMENT.sub("", line, count=1) for line in lines)


def of_step(lines: Sequence[str], steps: Sequence[Mapping[str, Any]], number: int) -> Sequence[str]:
    """The lines of one step; `steps` are the job's, as the API shows them. None for a step that was skipped."""
    starts = _starts(lines, [step for step in steps if step.get("conclusion") != "skipped"])
    if number not in starts:
        return ()
    begin = starts[number]
    ends = [place for place in starts.values() if place > begin]
    return lines[begin : min(ends, default=len(lines))]


def _starts(lines: Sequence[str], steps: Sequence[Mapping[str, Any]]) -> dict[int, int]:
    """Number of a step -> its first line."""
    starts: dict[int, int] = {}
    place = -1
    for step in steps:
        if int(step["number"]) == STEPS_OF_THE_HOST:
            starts[int(step["number"])] = 0
            continue
        found = _beginning(lines, place + 1, str(step.get("started_at") or "")[:19], str(step.get("name") or ""))
        if found is None:
            break
        starts[int(step["number"])] = place = found
    return starts


def _beginning(lines: Sequence[str], place: int, earliest: str, name: str) -> int | None:
    """The line from `place` on at which the step of that name begins; None where there is none."""
    candidates: list[int] = []
    second = ""
    for number in range(place, len(lines)):
        moment = MOMENT.match(lines[number])
        if moment is None or moment[1] < earliest or not lines[number][moment.end() :].startswith(BEGINNINGS):
            continue
        if second and moment[1] != second:
            break
        second = moment[1]
        candidates.append(number)
    by_likeness = sorted(candidates, key=lambda number: -_likeness(lines, number, name))
    return by_likeness[0] if by_likeness else None


def _likeness(lines: Sequence[str], number: int, name: str) -> int:
    """2: the step's name stands there; 1: it tells a step's shell or inputs, as headings of steps do; 0: neither."""
    heading, *told = without_moments(lines[number : number + HEADING_LINES])
    if name.startswith("Run ") and heading.startswith(f"{GROUP}{name}"):
        return 2
    if not heading.startswith(GROUP):
        return int(name.startswith("Post ") or name == COMPLETE)
    for line in told:
        if line.startswith(("shell: ", "with:", END)):
            return 1
        if line.startswith(GROUP):
            break
    return 0
