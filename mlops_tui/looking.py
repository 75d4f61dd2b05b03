"""Before work on what setup has made: look at it, so that the session knows where it is."""

from __future__ import annotations

from mlops_tui.engine import Engine
from mlops_tui.errors import UsageError
from mlops_tui.events import Event, Problem
from mlops_tui.session import Session
from mlops_tui.steps import Emit


def look(session: Session, emit: Emit, name: str) -> None:
    """Look at one step and what it needs; only what fails is told. Raises UsageError where it has not been applied."""
    from mlops_tui.setup import chosen

    def tell_problems(event: Event) -> None:
        if isinstance(event, Problem):
            emit(event)

    steps = chosen(session.project, (name,))
    plan = Engine(steps, session, tell_problems).plan()
    if any(change.action == "create" for change in plan.findings[name].changes):
        raise UsageError(
            f"{steps[-1].title}: not there yet.", hint="Run `mlops-tui setup`, or `mlops-tui up` for everything."
        )
