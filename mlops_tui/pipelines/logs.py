"""How far the log of each part of a run has been read."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mlops_tui.events import Level, PipelinePart
from mlops_tui.pipelines.parts import with_log

if TYPE_CHECKING:
    from mlops_tui.clouds.ci_host import CiHost

ERROR, WARNING = "##[error]", "##[warning]"  # how both hosts begin such lines
LAST_LINES = 12  # of a part, kept for the error of a run that fails there
AGAIN = 3  # looks for a log of which nothing has come when its part has ended: GitHub may be some seconds late with it


def level_of(line: str) -> Level:
    return "error" if line.startswith(ERROR) else "warning" if line.startswith(WARNING) else "info"


class Logs:
    """Of one run. Whatever a read raises, the next one loses and doubles nothing: only `took` moves on."""

    def __init__(self, host: CiHost, run_id: str) -> None:
        self._host, self._run_id = host, run_id
        self._taken: dict[str, int] = {}  # lines, by part
        self._looks: dict[str, int] = {}  # since the part has ended
        self._last: dict[str, deque[str]] = {}

    def due(self, parts: Sequence[PipelinePart]) -> frozenset[str]:
        """Ids of the parts whose log may have more."""
        return frozenset(one for one in with_log(parts) if not self._is_over(one))

    def _is_over(self, part_id: str) -> bool:
        looks = self._looks.get(part_id, 0)
        return bool(looks) and (bool(self._taken[part_id]) or looks >= AGAIN)

    def read(self, part: PipelinePart) -> tuple[str, ...]:
        return self._host.log(self._run_id, part.id, self._taken.get(part.id, 0))

    def took(self, part: PipelinePart, lines: Sequence[str], ended: bool) -> None:
        """`ended`: the part, or the run as a whole, had ended before the look."""
        self._taken[part.id] = self._taken.get(part.id, 0) + len(lines)
        self._last.setdefault(part.id, deque(maxlen=LAST_LINES)).extend(lines)
        if ended:
            self._looks[part.id] = self._looks.get(part.id, 0) + 1

    def last(self, part_id: str) -> list[str]:
        """What it printed at the end, or of that what the host marks as an error, if anything."""
        lines = list(self._last.get(part_id, ()))
        return [line.removeprefix(ERROR) for line in lines if line.startswith(ERROR)] or lines
