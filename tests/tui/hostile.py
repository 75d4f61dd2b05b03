"""Text as nobody would wish it, in every place of an event where text comes from outside."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

from mlops_tui.events import Event

TEXTS = {
    "markup": "[/subscriptions/abc] [bold red]no[/] [@click=app.exit]press[/] [link=x]y[/link] $primary \\[",
    "control": "\x1b[2J\x1b[31mred\x1b[0m\x1b]0;title\x07\x1b]8;;http://evil\x1b\\link\x07\b\b\r\x9b31m\x00\x7f\u2028",
    "wide": "\u8868\u683c \U0001f469\U0001f3fd\u200d\U0001f52c\U0001f468\u200d\U0001f469\u200d\U0001f467 \ufdfd "
    "e\u0301\u0301\u0301 \u202eright to left\u202c \u2066\u05e9\u05dc\u05d5\u05dd\u2069 \u0645\u0631\u062d \u200b",
    "long": "x" * 10_000,
    "lines": "one\ntwo\r\nthree\n\n\n" * 20,
    "empty": "",
}
# What our own programs say, and match by.
FIXED = {"type", "state", "status", "level", "action", "step", "name", "needs", "setting", "source", "Identified.what"}
FIXED |= {"lane", "health", "verdict", "kind", "parent"}
FIXED |= {f"{kind}.stage" for kind in ("Endpoint", "Verdict", "ApprovalAsked", "Approved", "Predicted")}
FIXED |= {f"{kind}.run" for kind in ("RunState", "MetricsRead", "PipelinePartState", "PipelineApproved")}
FIXED |= {"PipelineApproval.run", "PipelineRun.id", "PipelinePart.id", "Identified.id", "RunResult.run_id"}


def hostile(events: Iterable[Event], text: str) -> list[Event]:
    """The events with that text behind every free text in them, names of runs among it."""
    return [_changed(event, text) for event in events]


def _changed(value: Any, text: str, field: str = "") -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        kind = type(value).__name__
        names = [entry.name for entry in dataclasses.fields(value)]
        fixed = {name for name in names if name in FIXED or f"{kind}.{name}" in FIXED}
        fixed -= {"name"} if kind == "RunResult" else set()  # runs are named by people
        changed = {name: _changed(getattr(value, name), text) for name in names if name not in fixed}
        return dataclasses.replace(value, **changed)
    if isinstance(value, tuple):
        return tuple(_changed(item, text) for item in value)
    if isinstance(value, dict):
        return {key: _changed(item, text) for key, item in value.items()}
    return value + text if isinstance(value, str) else value
