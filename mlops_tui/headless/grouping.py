"""Lines of what goes on side by side, one thing after the other: hosts fold groups of lines, but not one in another.

The first that begins is shown live; of the others the events wait until it ends. Nothing waits for ever: whoever has
much to say gets a part of it shown in between, and at the end of the command all is shown.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from mlops_tui.events import CommandFinished, Event, Identified, LaneState, LogLine, MetricsRead, RunState, StepState

ENDED = frozenset({"done", "warning", "failed", "skipped", "succeeded", "canceled"})
MOST_WAITING = 5000  # events of one thing


class Groups(Protocol):
    def open_group(self, title: str) -> None: ...
    def close_group(self) -> None: ...


class Grouping:
    def __init__(self, groups: Groups, show: Callable[[Event], None]) -> None:
        self._groups = groups
        self._show = show
        self._live = ""  # the thing that is shown now
        self._is_open = False  # its group; closed while something else is said
        self._titles: dict[str, str] = {}  # of what goes on
        self._waiting: dict[str, list[Event]] = {}

    def take(self, event: Event) -> None:
        name = name_of(event)
        if name not in self._titles and _begins(event):
            self._titles[name] = _title(event)
            self._live = self._live or name
        if isinstance(event, CommandFinished):
            self._show_all()
        if name not in self._titles:
            if not isinstance(event, LogLine | Identified):
                self._close()
            self._show(event)
        elif name == self._live:
            self._show_live(event)
            self._go_on()
        else:
            kept = self._waiting.setdefault(name, [])
            kept.append(event)
            if len(kept) >= MOST_WAITING:
                self._show_part(name)

    def _show_live(self, event: Event) -> None:
        if _ends(event):
            self._close()
            self._show(event)
            del self._titles[self._live]
            self._live = ""
            return
        if not self._is_open:
            self._groups.open_group(self._titles[self._live])
            self._is_open = True
        self._show(event)

    def _go_on(self) -> None:
        """With what waits longest, where the one before has ended."""
        while not self._live and self._titles:
            self._live = next(iter(self._titles))
            self._show_waiting(self._live)

    def _show_waiting(self, name: str) -> None:
        for event in self._waiting.pop(name, []):
            if name in self._titles:
                self._show_live(event)
            else:  # it goes on to talk after its end
                self._show(event)

    def _show_part(self, name: str) -> None:
        before, self._live = self._live, name
        self._close()
        self._show_waiting(name)
        self._close()
        self._live = before

    def _show_all(self) -> None:
        for name in list(self._titles):
            if name in self._waiting:
                self._show_part(name)
        self._close()
        self._titles.clear()
        self._live = ""

    def _close(self) -> None:
        if self._is_open:
            self._groups.close_group()
            self._is_open = False


def name_of(event: Event) -> str:
    """Of the step, run or lane that an event is about; empty where it is about none."""
    match event:
        case StepState():
            return event.step
        case LaneState():
            return event.lane
        case RunState() | MetricsRead():
            return event.run
        case LogLine():
            return event.source
        case Identified():
            return event.step
    return ""


def _title(event: Event) -> str:
    return event.title if isinstance(event, StepState | LaneState) else name_of(event)


def _begins(event: Event) -> bool:
    return isinstance(event, StepState | LaneState | RunState) and event.state == "running"


def _ends(event: Event) -> bool:
    return isinstance(event, StepState | LaneState | RunState) and event.state in ENDED
