"""How the parts of a run read on the screen: a line each, and what is to be known of the one in hand."""

from __future__ import annotations

from rich.cells import cell_len
from textual.content import Content

from mlops_tui.events import PipelinePart, PipelineRun
from mlops_tui.tui.state.pipelines import PartLine, RunRow, part_seconds
from mlops_tui.tui.words.builds import when
from mlops_tui.tui.words.labels import duration
from mlops_tui.tui.words.pipelines import COLOURS, cut, title_of
from mlops_tui.tui.words.plain import plain, plain_lines

STATE, TIME = 9, 6  # cells of a part's line
STEP = 2  # cells that what is below a part stands further in
LABEL = 11  # cells
WORTH_SHOWING = 12  # cells: of less nobody learns anything


def part_line(line: PartLine, sign: str, room: int, rest: int, now: float) -> Content:
    """✔ Train            succeeded   3:07  what went wrong; with that many cells for the name and for the rest"""
    part, colour = line.part, f"${COLOURS[line.part.state]}"
    name = cut(f"{' ' * (STEP * line.depth)}{title_of(part)}", room)
    detail = cut(plain(next(iter(part.detail.splitlines()), "")), rest) if rest >= WORTH_SHOWING else ""
    return Content.assemble(
        (f"{sign} ", colour),
        f"{name}{' ' * (room - cell_len(name))} ",
        (f"{part.state:<{STATE}}", colour),
        f"{duration(part_seconds(part, now)):>{TIME}} ",
        (f" {detail}" if detail else "", "$text-muted"),
    )


def about_part(row: RunRow, part: PipelinePart | None) -> Content:
    """What went wrong in the part, and who may say yes before it goes on."""
    parts: list[Content] = []
    approval = row.approval
    if approval is not None and part is not None and approval.stage in (part.name, ""):
        facts = {
            "environment": plain(approval.environment),
            "approvers": ", ".join(plain(each) for each in approval.approvers),
        }
        parts += [Content.assemble((f"{name:<{LABEL}} ", "$text-muted"), text) for name, text in facts.items() if text]
    detail = plain_lines(part.detail) if part is not None else plain_lines(row.run.detail)
    if detail.strip():
        colour = "$text-error" if part is None or part.state == "failed" else "$foreground"
        parts.append(Content.styled(detail, colour))
    if row.ended and row.problem is not None and row.problem.hint:
        parts.append(Content.styled(f"What to do: {plain_lines(row.problem.hint)}", "$text-muted"))
    return Content("\n").join(parts)


def moment(run: PipelineRun, short: bool) -> str:
    """When it was asked for; without the year where there is little room."""
    return when(run.queued if run.queued is not None else run.started)[5 if short else 0 :]
