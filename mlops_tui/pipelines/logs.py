"""How far the log of each part of a run has been read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_tui.events import PipelinePart

if TYPE_CHECKING:
    from mlops_tui.clouds.ci_host import CiHost

AGAIN = 3  # looks for a log of which nothing has come when its part has ended: GitHub may be some seconds late with it


class Logs:
    """Of one run. Whatever a read raises, the next one loses and doubles nothing: only `took` moves on."""

    def __init__(self, host: CiHost, run_id: str) -> None:
        self._host, self._run_id = host, run_id
        self._taken: dict[str, int] = {}  # lines, by part
        self._looks: dict[str, int] = {}  # since the part has ended

    def is_due(self, part: PipelinePart) -> bool:
        if not part.has_log:
            return False
        looks = self._looks.get(part.id, 0)
        return not looks or (not self._taken[part.id] and looks < AGAIN)

    def read(self, part: PipelinePart) -> tuple[str, ...]:
        return self._host.log(self._run_id, part.id, self._taken.get(part.id, 0))

    def took(self, part: PipelinePart, lines: int, ended: bool) -> None:
        """`ended`: the part, or the run as a whole, had ended before the look."""
        self._taken[part.id] = self._taken.get(part.id, 0) + lines
        if part.has_log and ended:
            self._looks[part.id] = self._looks.get(part.id, 0) + 1
