"""Which keys the footer shows: it has room for few, so the widget that has the focus comes first."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from textual.binding import ActiveBinding
from textual.dom import DOMNode
from textual.screen import Screen

from mlops_tui.tui.widgets.log_view import LogView


def with_focus_in(
    bindings: Mapping[str, ActiveBinding], widget: DOMNode, keys: tuple[str, ...], way_out: str = ""
) -> dict[str, ActiveBinding]:
    """These keys of that widget and those of the app; all others work, too, but are not shown.

    `way_out` is the key that leads out of the widget; where there is one it has the place of Quit.
    """
    shown = {key: _shown(active, active.node is widget, key in keys) for key, active in bindings.items()}
    if way_out in shown:
        shown[way_out] = _as(shown[way_out], True)
        shown |= {key: _as(active, False) for key, active in shown.items() if active.binding.action == "leave"}
    return shown


def with_focus_in_log(screen: Screen[Any], bindings: dict[str, ActiveBinding]) -> dict[str, ActiveBinding]:
    """With the focus in a screen's log, for the log's keys; else as they are."""
    around = screen.focused.ancestors_with_self if screen.focused else []
    log = next((node for node in around if isinstance(node, LogView)), None)
    return bindings if log is None else with_focus_in(bindings, log, ("slash", "l"), way_out="escape")


def _shown(active: ActiveBinding, own: bool, wanted: bool) -> ActiveBinding:
    show = active.binding.show and (wanted if own else not isinstance(active.node, Screen))
    return _as(active, show)


def _as(active: ActiveBinding, show: bool) -> ActiveBinding:
    return active._replace(binding=dataclasses.replace(active.binding, show=show))
