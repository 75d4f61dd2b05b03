"""How far a stage of delivery is, told from its beginning to its end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlops_tui.delivery import names
from mlops_tui.errors import MlopsError
from mlops_tui.events import Lane, LaneState, StepStatus
from mlops_tui.steps import Emit, Report

if TYPE_CHECKING:
    from mlops_tui.session import Session


@dataclass
class Telling(Report):
    """What works in a lane tells with it; `build` and `outcome` may be learned on the way."""

    lane: Lane = "image"
    title: str = ""
    build: str = ""
    outcome: str = ""  # a few words, once it is done
    started: float = 0.0

    def state(self, state: StepStatus, detail: str = "", ended: bool = False) -> None:
        seconds = round(time.monotonic() - self.started, 2) if ended else None
        self.emit(
            LaneState(lane=self.lane, title=self.title, state=state, build=self.build, detail=detail, seconds=seconds)
        )


@contextmanager
def under_way(session: Session, emit: Emit, lane: Lane, build: str = "") -> Iterator[Telling]:
    """Running, then done; failed, where what is done inside raises one of our errors."""
    title = names.lane_title(session.project, lane)
    telling = Telling(lane, emit, lane, title, build, started=time.monotonic())
    telling.state("running")
    try:
        yield telling
    except MlopsError as error:
        telling.state("failed", error.message, ended=True)
        raise
    telling.state("done", telling.outcome, ended=True)
