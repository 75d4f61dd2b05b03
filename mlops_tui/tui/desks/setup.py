"""Setup: look, apply the plan on show, stop, take everything away again."""

from __future__ import annotations

from collections.abc import Callable, Collection

from mlops_tui.events import Event
from mlops_tui.tui.connection import DIED, Request
from mlops_tui.tui.desks.line import INTERRUPTED, Line, Notice
from mlops_tui.tui.state.setup import Doing, SetupState

IN_WORDS = {"applying": "setup is being applied", "removing": "what setup made is being removed"}


class SetupDesk:
    """One request at a time: whoever wants another stops this one first."""

    def __init__(self, line: Line) -> None:
        self.state = SetupState()
        self._line = line
        self._request: Request | None = None

    @property
    def busy(self) -> str:
        """What is being changed, in words; empty: nothing."""
        return IN_WORDS.get(self.state.doing, "")

    @property
    def can_stop(self) -> bool:
        """Something is going on that can be asked to stop."""
        return self._request is not None and self._request.exit_code is None

    def look(self) -> Request:
        """Compare the cloud with the project: the plan."""

        def ended(exit_code: int) -> None:
            self.state.plan_id = request.id if exit_code == 0 else ""

        request = self._begin("looking", "plan", ended)
        return request

    def apply(self, steps: Collection[str] = ()) -> Request:
        """Apply the plan on show: all of it, or these steps."""
        asked = {"steps": list(steps)} if steps else {}
        return self._begin(
            "applying",
            "apply",
            lambda exit_code: self._tell_end("Setup", exit_code, "What you asked for is in place.", seen_in="setup"),
            plan=self.state.plan_id,
            **asked,
        )

    def teardown(self) -> Request:
        """Remove what setup makes, then look again."""

        def ended(exit_code: int) -> None:
            self._tell_end("Teardown", exit_code, "Everything that setup makes is gone.")
            self.look()

        return self._begin("removing", "teardown", ended)

    def stop(self) -> None:
        """Finish what is in hand, begin nothing more."""
        if self._request is not None:
            self._line.connection.cancel(self._request)

    def fold(self, event: Event) -> None:
        self.state.fold(event)
        self._line.changed("setup")

    def _begin(self, doing: Doing, do: str, on_end: Callable[[int], None], **arguments: object) -> Request:
        self.state.begin(doing)

        def ended(exit_code: int) -> None:
            self.state.end()
            if exit_code == DIED:
                self.state.plan_id = ""  # the worker held the plan
            on_end(exit_code)
            self._line.changed("setup")

        self._request = self._line.ask(do, self.fold, ended, **arguments)
        self._line.changed("setup")
        return self._request

    def _tell_end(self, what: str, exit_code: int, well: str, seen_in: str = "") -> None:
        if exit_code == 0:
            self._line.told(Notice(what, well, seen_in=seen_in))
        elif exit_code == INTERRUPTED:
            self._line.told(Notice(what, "Stopped; what was begun is finished.", "warning"))
        else:
            self._line.told(Notice(what, "It failed; the step says why.", "error", seen_in=seen_in))
