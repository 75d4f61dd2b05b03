"""What a step is: one thing that must exist in the cloud, how to look for it, how to make it so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from mlops_tui.events import Change, Event, Identified, Level, LogLine

if TYPE_CHECKING:
    from mlops_tui.project import Project
    from mlops_tui.session import Session

Emit = Callable[[Event], None]


class NotYetKnown(Exception):  # noqa: N818 (a state, not an error)
    """A step asked for something that an earlier step will know once it is applied."""

    def __init__(self, step: str) -> None:
        super().__init__(step)
        self.step = step


@dataclass(frozen=True)
class Finding:
    """What a step found: how each thing it wants compares with what is there."""

    changes: tuple[Change, ...]

    @property
    def pending(self) -> tuple[Change, ...]:
        return tuple(change for change in self.changes if change.action != "keep")


@dataclass(frozen=True)
class Report:
    """How a step tells what it does."""

    source: str
    emit: Emit

    def log(self, text: str, level: Level = "info") -> None:
        self.emit(LogLine(source=self.source, text=text, level=level))

    def identified(self, what: str, id: str, url: str = "") -> None:  # noqa: A002 (the field's name)
        self.emit(Identified(what=what, id=id, url=url, step=self.source))


class Step(Protocol):
    """One file of `setup` holds one of these; all methods but `wanted` and `by_hand` talk to the cloud."""

    name: str  # "secret-scope"
    title: str  # "Secret scope and its six keys"
    about: str  # what it is and why it is needed, in plain words, for someone who has never seen Azure
    link: str  # the vendor's page
    needs: tuple[str, ...]  # names of the steps whose outcome it reads
    settings: tuple[str, ...]  # names of the settings that shape it

    def wanted(self, project: Project) -> tuple[Change, ...]:
        """The plan where nothing exists: all `create`."""
        ...

    def inspect(self, session: Session) -> Finding:
        """Read only: what is there. Tells the session what it learns. Raises NotYetKnown where a need is missing."""
        ...

    def apply(self, session: Session, finding: Finding, report: Report) -> None:
        """Make the finding's pending changes. Safe to repeat, and after being killed at any point."""
        ...

    def remove(self, session: Session, report: Report) -> None:
        """Take away what `apply` makes; safe to repeat."""
        ...

    def by_hand(self, project: Project) -> str:
        """The commands (az, databricks) a person would type for the same."""
        ...
