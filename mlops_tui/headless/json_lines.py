"""Events as JSON lines on standard output: for programs."""

from __future__ import annotations

from typing import TextIO

from mlops_tui.events import Event
from mlops_tui.journal import line_of


class JsonLines:
    def __init__(self, out: TextIO) -> None:
        self._out = out

    def show(self, event: Event) -> None:
        self._out.write(line_of(event) + "\n")
        self._out.flush()
