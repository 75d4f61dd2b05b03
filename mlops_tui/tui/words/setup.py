"""What setup says of itself in words: its steps, its changes, and the line below them. Knows no Textual."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Literal

from mlops_tui.events import Action
from mlops_tui.tui.state.setup import SetupState, StepRow
from mlops_tui.tui.words.labels import duration
from mlops_tui.tui.words.plain import plain

Mood = Literal["busy", "open", "done", "warning", "failed"]
ACTION_SIGNS: dict[Action, str] = {"create": "+", "update": "~", "replace": "±", "remove": "-", "keep": "="}
ACTION_COLOURS: dict[Action, str] = {
    "create": "success",
    "update": "accent",
    "replace": "warning",
    "remove": "error",
    "keep": "text-muted",
}
WORTH_SAYING = 0.1  # seconds; what takes less is not timed on the screen
CI_HOST = "ci_host"  # the setting that some steps do nothing without
NOT_CHOSEN = "not chosen: set ci.host"
DONE = "Everything is set up. Press 2 to train."


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def pending_words(pending: int, kept: int) -> str:
    """12 changes to make · 3 as they should be"""
    changes = f"{counted(pending, 'change')} to make" if pending else "nothing to change"
    return " · ".join([changes, *([f"{kept} as {'it' if kept == 1 else 'they'} should be"] if kept else [])])


def state_words(row: StepRow) -> str:
    """The second line of a step in the list: running · 12 s · 1 to create"""
    if row.unwanted:
        return NOT_CHOSEN
    seconds = row.elapsed if row.state in ("running", "done", "failed") else None
    shown = duration(seconds) if seconds is not None and seconds >= WORTH_SAYING else ""
    return " · ".join(filter(None, [row.state, shown, plain(row.detail)]))


def next_words(state: SetupState, row: StepRow) -> str:
    """What can be done about this step now."""
    if state.doing == "looking" or row.state == "checking":
        return "Being looked at."
    if row.state == "running":
        return "At work. The Log tab tells what it does."
    if row.unwanted:
        return unwanted_words(state, row)
    if not row.changes:
        return "It could not be looked at. Press r to look again." if row.error else "Press r to look at it."
    if not row.pending:
        return "As it should be: nothing to do."
    if state.doing:
        return "Its turn comes when what it needs is done." if row.state == "waiting" else "Something else is going on."
    if not state.plan_id:
        return "The plan is out of date. Press r to look again."
    unmet = state.unmet(row.name)
    if unmet:
        return f"Apply first what it needs: {titles(unmet)}. Or press a to apply everything."
    return (
        "Press Enter to try it again."
        if row.state == "failed"
        else "Press Enter to apply it, or a to apply everything."
    )


def unwanted_words(state: SetupState, row: StepRow) -> str:
    """Why there is nothing to do, and where to choose otherwise."""
    why = "Nothing to do: no CI host is chosen"
    if row.description is not None and CI_HOST in row.description.settings:
        return f"{why}. To have this, choose one in the tab Settings: ci host."
    place = next(
        (each for each in state.steps.values() if each.description and CI_HOST in each.description.settings), None
    )
    where = f"at the step {plain(place.title)}, in its tab Settings" if place else "with the setting ci.host"
    return f"{why}. To have this, choose one {where}."


def titles(rows: list[StepRow]) -> str:
    return ", ".join(plain(row.title) for row in rows)


def status_words(state: SetupState) -> tuple[Mood, str]:
    """The line below the steps: what is going on, or what there is to do."""
    if state.doing:
        return "busy", _going_on(state)
    if state.problem is not None:
        return "failed", "What is wrong is told above. Press r to try again, 0 to go back."
    if state.failed:
        verb = "has" if len(state.failed) == 1 else "have"
        way = "Press a to try again." if state.plan_id else "Press r to try again, 0 to go back."
        return "failed", f"{titles(state.failed)} {verb} failed. {way}"
    if state.pending is None:
        return "open", "Not looked at yet. Press r to look."
    if not state.pending:
        return "done", DONE
    if not state.plan_id:
        return "warning", "The plan is out of date. Press r to look again."
    return "open", pending_words(state.pending, state.kept)


def _going_on(state: SetupState) -> str:
    seconds = duration(time.monotonic() - state.since)
    rows = state.steps.values()
    if state.doing == "looking":
        if not any(row.state != "waiting" for row in rows):
            said = plain(state.general[-1].text) if state.general else "Getting ready"
            return f"{said} · {seconds}"
        looked = sum(row.state not in ("waiting", "checking") for row in rows)
        return f"Looking at what is there: {looked} of {counted(len(rows), 'step')} · {seconds}"
    word = "Applying" if state.doing == "applying" else "Removing"
    running = [row for row in rows if row.state == "running"]
    return f"{word}: {titles(running)} · {seconds}" if running else f"{word} · {seconds}"


def costs_of(rows: Iterable[StepRow]) -> list[str]:
    """What things cost while they exist or run, each said once."""
    return list(dict.fromkeys(plain(change.cost) for row in rows for change in row.changes if change.cost))


def warnings_of(rows: Iterable[StepRow]) -> list[str]:
    """What to weigh before saying yes."""
    return list(dict.fromkeys(plain(change.warning) for row in rows for change in row.changes if change.warning))
