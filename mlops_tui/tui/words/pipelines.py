"""What runs of the pipeline, and who lets them go on, say of themselves in a line. Knows no Textual."""

from __future__ import annotations

import time
from collections.abc import Mapping

from rich.cells import cell_len, set_cell_size

from mlops_tui.events import PipelineApproval, PipelinePart, PipelineRun, PipelineState
from mlops_tui.tui.state.pipelines import PipelinesState, RunRow
from mlops_tui.tui.words.labels import duration
from mlops_tui.tui.words.plain import plain
from mlops_tui.tui.words.signs import WARNING

SIGNS: Mapping[PipelineState, str] = {
    "queued": "○",
    "waiting": WARNING,
    "running": "●",
    "succeeded": "✔",
    "failed": "✖",
    "canceled": "–",
    "skipped": "–",
}
COLOURS: Mapping[PipelineState, str] = {  # variables of the theme
    "queued": "text-muted",
    "waiting": "warning",
    "running": "primary",
    "succeeded": "success",
    "failed": "error",
    "canceled": "text-muted",
    "skipped": "text-muted",
}
HOSTS: Mapping[str, str] = {"azure-devops": "Azure DevOps", "github": "GitHub"}  # as `ci.host` names them
LONG_NUMBER = 24  # cells of a run's number in a sentence
SHORT_COMMIT = 8  # characters


def run_words(run: PipelineRun) -> str:
    """run 17"""
    number = plain(run.number) or plain(run.id)
    return f"run {number if len(number) <= LONG_NUMBER else f'…{number[1 - LONG_NUMBER :]}'}"


def title_of(part: PipelinePart | None) -> str:
    return (plain(part.name) or part.kind) if part is not None else ""


def cut(text: str, room: int) -> str:
    """As much of it as has room, in cells."""
    some = text[: 4 * room]  # measuring all of a very long one takes long
    if some == text and cell_len(text) <= room:
        return text
    return f"{set_cell_size(some, max(room - 1, 0)).rstrip()}…"


def approval_words(state: PipelinesState, approval: PipelineApproval) -> str:
    """Who must say yes, and how."""
    what = f"{plain(approval.stage) or 'It'} waits for an approval"
    if approval.mine:
        return f"{what}. Press a to give it."
    whose = ", ".join(plain(each) for each in approval.approvers) or "somebody else"
    return f"{what} by {whose}, on {plain(state.host) or 'the host'} (o opens the page)."


def status_words(state: PipelinesState, now: float) -> tuple[str, str]:
    """The line below the runs, and a variable of the theme for its colour."""
    if state.queueing is not None:
        said = f" · {plain(state.said)}" if state.said else ""
        return f"{SIGNS['running']} Queueing a run · {duration(time.monotonic() - state.queueing)}{said}", "primary"
    row = state.row
    if state.refused is not None:
        return f"{SIGNS['failed']} No run was queued. {plain(state.refused.message)}", "error"
    if row is None:
        return "", "text-muted"
    if row.problem is not None and not row.ended:
        return f"{SIGNS['failed']} {plain(row.problem.message)}", "error"
    return _of_the_run(state, row, now)


def _of_the_run(state: PipelinesState, row: RunRow, now: float) -> tuple[str, str]:
    run, colour = row.run, COLOURS[row.run.state]
    sign, name = SIGNS[run.state], _capital(run_words(run))
    detail = plain(next(iter(run.detail.splitlines()), ""))
    ending = ", being canceled" if row.ending else ""
    took = duration(row.elapsed(now))
    match run.state:
        case "waiting":
            approval = row.approval
            told = approval_words(state, approval) if approval else detail or "It waits."
            return f"{sign} {told if not ending else f'{name}{ending}.'}", "warning"
        case "queued":
            since = duration(now - run.queued) if run.queued is not None else ""
            return f"{sign} {name} waits for its turn{ending}{_behind(since)}{_behind(detail)}", "text-muted"
        case "running":
            return f"{sign} {name}{ending}{_behind(took)}{_behind(_doing(row))}", "primary"
        case "failed":
            return (
                f"{sign} {name} has failed{f' after {took}' if took else ''}{f': {detail}' if detail else ''}",
                "error",
            )
        case _:
            return f"{sign} {name}: {run.state}{f' after {took}' if took else ''}", colour


def _doing(row: RunRow) -> str:
    """Train: mlops-tui train"""
    parts = [told.part for told in row.in_order if told.part.state == "running"]
    tops = [title_of(part) for part in parts if part.kind != "step" and part.parent not in row.parts]
    steps = [title_of(part) for part in parts if part.kind == "step"]
    return ": ".join([*tops[-1:], *steps[-1:]])


def bar_words(state: PipelinesState) -> str:
    """Azure DevOps · run 17 of main, by push · 1 of 12"""
    row = state.row
    if row is None:
        return plain(state.host) or "No run yet"
    run, ids = row.run, list(state.rows)
    branch = f" of {cut(plain(run.branch), LONG_NUMBER)}" if run.branch else ""
    reason = f", by {plain(run.reason)}" if run.reason == "push" else ""
    place = f"{ids.index(state.chosen) + 1} of {len(ids)}" if len(ids) > 1 else ""
    return " · ".join(filter(None, [plain(state.host), f"{run_words(run)}{branch}{reason}", place]))


def ended_words(row: RunRow) -> str:
    """How a run has ended, for whoever is elsewhere."""
    detail = plain(next(iter(row.run.detail.splitlines()), ""))
    return f"{_capital(run_words(row.run))}: {row.run.state}.{f' {detail}' if detail else ''}"


def _behind(text: str) -> str:
    return f" · {text}" if text else ""


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
