"""The screens that stand side by side, each imported when it is first shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from textual.screen import Screen

SECTIONS = ("setup", "training", "delivery", "history", "pipelines")


def _opening() -> Screen[Any]:
    from mlops_tui.tui.screens.opening import OpeningScreen

    return OpeningScreen()


def _setup() -> Screen[Any]:
    from mlops_tui.tui.screens.setup import SetupScreen

    return SetupScreen()


def _training() -> Screen[Any]:
    from mlops_tui.tui.screens.training import TrainingScreen

    return TrainingScreen()


def _delivery() -> Screen[Any]:
    from mlops_tui.tui.screens.delivery import DeliveryScreen

    return DeliveryScreen()


def _history() -> Screen[Any]:
    from mlops_tui.tui.screens.history import HistoryScreen

    return HistoryScreen()


def _pipelines() -> Screen[Any]:
    from mlops_tui.tui.screens.pipelines import PipelinesScreen

    return PipelinesScreen()


MODES: dict[str, str | Callable[[], Screen[Any]]] = {
    "opening": _opening,
    "setup": _setup,
    "training": _training,
    "delivery": _delivery,
    "history": _history,
    "pipelines": _pipelines,
}
