"""A job's log of GitHub Actions, cut into the lines of its steps.

GitHub gives one text for a job. Each line begins with its moment; each step begins with "##[group]Run …", a step that
cleans up with "Post job cleanup.", the end of the job with "Cleaning up orphan processes". A step's output may hold
such lines, too, so that a step begins at the first of them that is no earlier than the step itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

MOMENT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.\d+Z ?")
BEGINNINGS = ("##[group]Run ", "Post job cleanup.", "Cleaning up orphan processes")
STEPS_OF_THE_HOST = 1  # "Set up job" has what comes before the first beginning


def lines_of(text: str) -> list[str]:
    return text.removeprefix("\ufeff").splitlines()


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
        found = _next_beginning(lines, place + 1, str(step.get("started_at") or "")[:19])
        if found is None:
            break
        starts[int(step["number"])] = place = found
    return starts


def _next_beginning(lines: Sequence[str], place: int, earliest: str) -> int | None:
    for number in range(place, len(lines)):
        moment = MOMENT.match(lines[number])
        if moment and moment[1] >= earliest and lines[number][moment.end() :].startswith(BEGINNINGS):
            return number
    return None
