"""Waiting for what a screen will show, with a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from textual.pilot import Pilot

DEADLINE = 10.0  # seconds


async def until(pilot: Pilot[Any], condition: Callable[[], object], seconds: float = DEADLINE) -> None:
    """Let the app work until the condition holds; fails with what was waited for."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s in vain for {condition.__name__}\n{_seen(pilot)}"
        await pilot.pause(0.01)


def _seen(pilot: Pilot[Any]) -> str:
    """The screen as text."""
    width = pilot.app.size.width
    return "\n".join(
        "".join(segment.text for segment in strip)[:width].rstrip()
        for strip in pilot.app.screen._compositor.render_strips()
    )
