"""How far a stage of delivery is, told from its beginning to its end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mlops_tui.delivery import names
from mlops_tui.errors import ApprovalNeeded, Interrupted, MlopsError
from mlops_tui.events import Lane, LaneState, Level, StepStatus
from mlops_tui.steps import Emit, Report

if TYPE_CHECKING:
    from mlops_tui.session import Session


class Telling:
    """What works in a lane tells with it."""

    def __init__(self, lane: Lane, title: str, build: str, emit: Emit) -> None:
        self.report = Report(lane, emit)
        self.build = build  # may be learned on the way
        self.outcome = ""  # a few words, for when it is done
        self._lane: Lane = lane
        self._title = title
        self._started = time.monotonic()

    def log(self, text: str, level: Level = "info") -> None:
        self.report.log(text, level)

    def state(self, state: StepStatus, detail: str = "", ended: bool = False) -> None:
        seconds = round(time.monotonic() - self._started, 2) if ended else None
        self.report.emit(
            LaneState(lane=self._lane, title=self._title, state=state, build=self.build, detail=detail, seconds=seconds)
        )


@contextmanager
def under_way(session: Session, emit: Emit, lane: Lane, build: str = "", title: str = "") -> Iterator[Telling]:
    """Running, then done; failed where what is done inside raises one of our errors; a warning where somebody stops it.

    What was begun goes on in the cloud then.
    """
    telling = Telling(lane, title or names.lane_title(session.project, lane), build, emit)
    telling.state("running")
    try:
        yield telling
    except ApprovalNeeded as error:
        telling.state("waiting", error.message, ended=True)
        raise
    except Interrupted as error:
        telling.state("warning", error.message, ended=True)
        raise
    except MlopsError as error:
        telling.state("failed", error.message, ended=True)
        raise
    telling.state("done", telling.outcome, ended=True)
