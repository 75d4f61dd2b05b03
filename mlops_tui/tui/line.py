"""What all desks share: the connection, the settings chosen, and whom to tell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from mlops_tui.events import Event
from mlops_tui.tui.connection import Connection, Request

Topic = Literal["opening", "settings", "setup", "training", "history"]
Severity = Literal["information", "warning", "error"]
INTERRUPTED = 130  # the exit code of a request that was asked to stop


@dataclass(frozen=True)
class Notice:
    """Something to be told wherever the person is looking; plain text."""

    title: str
    text: str
    severity: Severity = "information"


@dataclass
class Line:
    """`changed(topic)` is called when a state has changed, `told(notice)` for what a person should hear of."""

    connection: Connection
    changed: Callable[[Topic], None]
    told: Callable[[Notice], None]
    flags: dict[str, str] = field(default_factory=dict)  # settings given on the command line or on screen

    def ask(
        self,
        do: str,
        on_event: Callable[[Event], None],
        on_end: Callable[[int], None] = lambda _: None,
        **arguments: object,
    ) -> Request:
        """Send a request with the settings chosen so far; they outrank file and environment."""
        return self.connection.send(do, on_event, on_end, flags=dict(self.flags), **arguments)
