"""Whose log one reads who looks at a part: a stage writes none of its own, and on some hosts a step neither."""

from __future__ import annotations

from pathlib import Path

from mlops_tui.events import PipelinePart
from mlops_tui.spool import log_file
from mlops_tui.tui.state.pipelines import RunRow, part_seconds


def writer_of(row: RunRow, part: PipelinePart) -> PipelinePart:
    """One in it that has a log (at work, failed, or the last); else the part itself; else the one that it is in."""
    own = row.parts[part.id].part if part.id in row.parts else part
    inside = [each for each in below(row, own.id) if each.has_log]
    for state in ("running", "failed"):
        found = [each for each in inside if each.state == state]
        if found:
            return found[0] if state == "failed" else found[-1]
    if inside and own.has_log:  # GitHub's log of a job is that of its steps; the last of them only cleans up
        return max(inside, key=lambda each: part_seconds(each) or 0.0)
    if inside:
        return inside[-1]
    if own.has_log:
        return own
    above = row.parts.get(own.parent)
    seen = {own.id}
    while above is not None and above.part.id not in seen:
        if above.part.has_log:
            return above.part
        seen.add(above.part.id)
        above = row.parts.get(above.part.parent)
    return own


def before(row: RunRow, part: PipelinePart) -> PipelinePart | None:
    """The last one before it that has a log."""
    order = row.parts[part.id].order if part.id in row.parts else 0
    return next((told.part for told in reversed(row.in_order) if told.order < order and told.part.has_log), None)


def below(row: RunRow, part: str) -> list[PipelinePart]:
    """All that belongs to a part, in the order of the pipeline."""
    found = {part}
    inside: list[PipelinePart] = []
    for told in row.in_order:  # each stands behind the part that it belongs to
        if told.part.parent in found:
            found.add(told.part.id)
            inside.append(told.part)
    return inside


def log_of(row: RunRow, part: PipelinePart | None) -> Path | None:
    """The file; without a part that of the whole run. None where nobody has asked for its log."""
    if row.folder is None:
        return None
    source = row.parts[part.id].source if part is not None and part.id in row.parts else ""
    return log_file(row.folder, source)
