"""How builds read on the screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from textual.content import Content

from mlops_tui.tui.state.gate import gate_of
from mlops_tui.tui.state.history import BuildRow
from mlops_tui.tui.state.order import metrics_of
from mlops_tui.tui.state.training import RunRow
from mlops_tui.tui.words.labels import figure, metric_title
from mlops_tui.tui.words.plain import plain
from mlops_tui.tui.words.signs import BEST, RUN_SIGNS, WARNING
from mlops_tui.tui.words.sweep_text import count_text

OUTCOME_SIGNS: Mapping[str, str] = {
    "running": RUN_SIGNS["running"],
    "gate passed": RUN_SIGNS["succeeded"],
    "gate missed": WARNING,
    "failed": RUN_SIGNS["failed"],
    "canceled": RUN_SIGNS["canceled"],
}
OUTCOME_COLOURS: Mapping[str, str] = {  # variables of the theme
    "running": "primary",
    "gate passed": "success",
    "gate missed": "warning",
    "failed": "error",
    "canceled": "text-muted",
}
NO_NUMBER = "(no number)"  # runs that somebody has started by hand
MOST_COMPARED = 6
COLUMN, NAME_WIDTH, BUILD_WIDTH = 16, 44, 10  # cells of the comparison


def build_name(build: BuildRow) -> str:
    return plain(build.number) or NO_NUMBER


def when(seconds: float | None) -> str:
    """A moment by the clock of this machine."""
    if seconds is None:
        return ""
    try:
        return f"{datetime.fromtimestamp(seconds).astimezone():%Y-%m-%d %H:%M}"
    except (OverflowError, ValueError, OSError):  # no moment that a calendar knows
        return ""


def count_builds(count: int) -> str:
    return f"{count} build{'' if count == 1 else 's'}"


def none_text(listing: bool, failed: bool, opened: bool) -> str:
    """Why there are no builds to see, and what to do."""
    if listing:
        return "Reading the builds …"
    if failed:
        return "The builds cannot be read: see above. Press r to try again."
    if not opened:
        return "No cloud is open yet. Press 1 to see how far that is."
    return "No builds yet. Press 2 to train: each training is a build, and is kept here with all its runs."


def metric_of_gate(gate: str) -> str:
    """The one by which builds are told apart."""
    known = gate_of(gate)
    return known.metric if known else "rmse"


def about_build(build: BuildRow, gate: str, delivered: str = "") -> Content:
    """Two lines: what it was, what became of it; and a third where it has been delivered."""
    first = [f"Build {build_name(build)}", when(build.started), f"by {plain(build.source)}" if build.source else ""]
    outcome = f"{OUTCOME_SIGNS[build.outcome]} {build.outcome}"
    judged = build.outcome in ("gate passed", "gate missed") and gate
    second = [
        f"{outcome} ({plain(gate)})" if judged else outcome,
        count_text(len(build.runs)),
        _best(build, metric_of_gate(gate)),
    ]
    return Content("\n").join(
        [
            Content.styled(" · ".join(filter(None, first)), "bold"),
            Content.styled(" · ".join(filter(None, second)), f"${OUTCOME_COLOURS[build.outcome]}"),
            *([Content(delivered)] if delivered else []),
        ]
    )


def comparison_title(count: int) -> str:
    if count == 1:
        return " Marked: Space on another one shows both side by side (x takes the mark away) "
    more = f", the first {MOST_COMPARED} shown" if count > MOST_COMPARED else ""
    return f" {count} compared with the first{more} (x takes the marks away) "


def comparison(rows: Sequence[tuple[str, RunRow]], width: int) -> Content:
    """The metrics of the marked runs side by side, and how far the others are from the first."""
    rows = rows[:MOST_COMPARED]
    metrics = metrics_of(row for _, row in rows)[: max(1, (width - 14) // COLUMN)]
    room = max(min(NAME_WIDTH, width - COLUMN * len(metrics) - 2), 14)
    head = " " * room + "".join(f"{metric_title(name):>{COLUMN}}" for name in metrics)
    lines = [Content.styled(head, "$text-muted")]
    for build, row in rows:
        name = f"{_end_of(build, BUILD_WIDTH)} {plain(row.name)}"
        cells = "".join(f"{_beside(row, rows[0][1], metric):>{COLUMN}}" for metric in metrics)
        lines.append(Content(f"{name if len(name) <= room else name[: room - 1] + '…':<{room}}{cells}"))
    return Content("\n").join(lines)


def _end_of(text: str, width: int) -> str:
    """Numbers of builds differ at their ends."""
    return text if len(text) <= width else f"…{text[1 - width :]}"


def _beside(row: RunRow, first: RunRow, metric: str) -> str:
    value, base = row.metrics.get(metric), first.metrics.get(metric)
    if value is None:
        return "–"
    if row is first or base is None or value == base:
        return figure(value)
    sign = "+" if value > base else "−"
    return f"{figure(value)} {sign}{figure(abs(value - base))}"


def _best(build: BuildRow, metric: str) -> str:
    best = build.best
    if best is None:
        return ""
    value = best.metrics.get(metric)
    told = f" ({metric_title(metric)} {figure(value)})" if value is not None else ""
    return f"{BEST} {plain(best.name)}{told}"
