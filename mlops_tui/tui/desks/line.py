"""What all desks share: the connection, the settings chosen, and whom to tell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from mlops_tui.events import CommandStarted, Event, LogLine, SettingsRead, StepsDescribed, StepState
from mlops_tui.tui.connection import Connection, Request

Topic = Literal["opening", "settings", "setup", "training", "delivery", "history", "pipelines"]
Severity = Literal["information", "warning", "error"]
INTERRUPTED = 130  # the exit code of a request that was asked to stop
LOCAL = ("open", "describe", "save_settings", "sign_ins")  # requests that are answered without signing in
# What is told while somebody still has to sign in.
BEFORE_SIGNING_IN = (CommandStarted, LogLine, SettingsRead, StepsDescribed)


@dataclass(frozen=True)
class Notice:
    """Something to be told wherever the person is looking; plain text."""

    title: str
    text: str
    severity: Severity = "information"
    rings: bool = True  # the bell, where it is on: for ends and failures
    seen_in: str = ""  # the section where one sees this anyway: nothing pops up there


@dataclass
class Line:
    """`changed(topic)` is called when a state has changed, `told(notice)` for what a person should hear of."""

    connection: Connection
    changed: Callable[[Topic], None]
    told: Callable[[Notice], None]
    flags: dict[str, str] = field(default_factory=dict)  # settings given on the command line or on screen
    answered: Callable[[], None] = lambda: None  # the cloud has said something: nobody has to sign in any more

    def ask(
        self,
        do: str,
        on_event: Callable[[Event], None],
        on_end: Callable[[int], None] = lambda _: None,
        **arguments: object,
    ) -> Request:
        """Send a request with the settings chosen so far; they outrank file and environment."""

        def hear(event: Event) -> None:
            if do not in LOCAL and _from_the_cloud(event):
                self.answered()
            on_event(event)

        return self.connection.send(do, hear, on_end, flags=dict(self.flags), **arguments)


def _from_the_cloud(event: Event) -> bool:
    if isinstance(event, StepState):
        return event.state not in ("waiting", "checking", "running")
    return not isinstance(event, BEFORE_SIGNING_IN)
