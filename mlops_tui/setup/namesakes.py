"""Things that a workspace knows by number, and people by name: which of those of one name is the project's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

from mlops_tui.errors import ConflictError
from mlops_tui.setup import marks

if TYPE_CHECKING:
    from mlops_tui.project import Project
    from mlops_tui.steps import Report


class Tagged(Protocol):
    @property
    def id(self) -> int | str: ...

    @property
    def tags(self) -> Mapping[str, str]: ...


Thing = TypeVar("Thing", bound=Tagged)


def choose(found: Sequence[Thing], project: Project, named: str, hint: str) -> tuple[Thing | None, list[Thing]]:
    """The one to use, and those of ours that are one too many. `named`: "clusters are named ML".

    Raises ConflictError where only a person can choose.
    """
    ours = [thing for thing in found if marks.is_ours(thing.tags, project)]
    if ours:
        return ours[0], ours[1:]
    if len(found) > 1:
        ids = ", ".join(str(thing.id) for thing in found)
        raise ConflictError(f"{len(found)} {named}, and none was made by this program: {ids}.", hint=hint)
    return (found[0] if found else None), []


def remove_ours(
    found: Sequence[Thing], project: Project, what: str, delete: Callable[[Thing], object], report: Report
) -> None:
    """Delete those that we have made. `what`: "cluster ML"."""
    for thing in found:
        if marks.is_ours(thing.tags, project):
            delete(thing)
            report.log(f"deleted the {what} ({thing.id})")
        else:
            report.log(f"kept the {what} ({thing.id}): it was made by somebody else")
    if not found:
        report.log(f"there is no {what}")
