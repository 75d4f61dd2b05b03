"""The parts of a run, as a tree: what belongs to what, and what its log lines are labelled with."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from mlops_tui.events import PipelinePart

_PINNED = re.compile(r"@[0-9a-f]{40}$")  # of an action on GitHub: its commit


def source_of(part: PipelinePart, parts: Sequence[PipelinePart]) -> str:
    """ "Train · mlops-tui train": what it belongs to, and itself. The only job of a stage goes without saying."""
    by_id = {one.id: one for one in parts}
    names = [part.name]
    parent = by_id.get(part.parent)
    while parent is not None:
        if parent.kind != "job" or not _is_only_child(parent, parts):
            names.append(parent.name)
        parent = by_id.get(parent.parent)
    if part.kind == "job" and len(names) > 1 and _is_only_child(part, parts):
        del names[0]
    return " · ".join(_PINNED.sub("", name) for name in reversed(names) if name)


def _is_only_child(part: PipelinePart, parts: Sequence[PipelinePart]) -> bool:
    return bool(part.parent) and sum(one.parent == part.parent for one in parts) == 1


def in_order_of_ends(parts: Sequence[PipelinePart]) -> Iterator[PipelinePart]:
    """Each behind those that belong to it, in place of before them."""
    above: list[PipelinePart] = []
    for part in parts:
        while above and above[-1].id != part.parent:
            yield above.pop()
        above.append(part)
    yield from reversed(above)


def with_log(parts: Sequence[PipelinePart]) -> frozenset[str]:
    """Ids of those whose log is to be read: a job's holds nothing new where its steps have theirs."""
    parents = {part.id: part.parent for part in parts}
    told_by_others: set[str] = set()
    for part in parts:
        above = part.parent if part.has_log else ""
        while above and above not in told_by_others:
            told_by_others.add(above)
            above = parents.get(above, "")
    return frozenset(part.id for part in parts if part.has_log) - told_by_others


def innermost(parts: Sequence[PipelinePart]) -> Iterator[PipelinePart]:
    """Those that nothing belongs to."""
    parents = {part.parent for part in parts}
    return (part for part in parts if part.id not in parents)
