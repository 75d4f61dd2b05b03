"""A sign for every state, so that nothing is told by colour alone."""

from __future__ import annotations

from collections.abc import Mapping

from mlops_tui.events import RunStatus, StepStatus

STEP_SIGNS: Mapping[StepStatus, str] = {
    "waiting": "○",
    "checking": "◌",
    "will change": "◆",
    "running": "●",
    "done": "✔",
    "warning": "▲",
    "failed": "✖",
    "skipped": "–",
}
RUN_SIGNS: Mapping[RunStatus, str] = {
    "pending": "○",
    "running": "●",
    "succeeded": "✔",
    "failed": "✖",
    "canceled": "–",
}
BEST = "★"
WARNING = "▲"

# The theme's colours of the states, as the names of its variables.
STEP_COLOURS: Mapping[StepStatus, str] = {
    "waiting": "text-muted",
    "checking": "text-muted",
    "will change": "accent",
    "running": "primary",
    "done": "success",
    "warning": "warning",
    "failed": "error",
    "skipped": "text-muted",
}
RUN_COLOURS: Mapping[RunStatus, str] = {
    "pending": "text-muted",
    "running": "primary",
    "succeeded": "success",
    "failed": "error",
    "canceled": "text-muted",
}
