"""Everything that can be done on a screen right now: one list for the palette and for help."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from textual.actions import ActionError, parse
from textual.app import App
from textual.binding import Binding
from textual.dom import DOMNode
from textual.screen import Screen

OURS = "mlops_tui."  # what Textual's own widgets bind (cursor keys, paging) is no action that anybody looks for


@dataclass
class Action:
    """One thing to do."""

    description: str
    keys: list[str]  # as people read them
    call: str
    node: DOMNode


def actions_of(screen: Screen[object]) -> list[Action]:
    """Of the focused widget first, then of the screen, of its other visible widgets and of the app; each once."""
    app = screen.app
    found: dict[tuple[str, int], Action] = {}
    for node in _nodes(screen):
        for binding in _bindings(node):
            if not binding.description or not _possible(app, node, binding):
                continue
            key = app.get_key_display(binding)
            known = found.setdefault((binding.action, id(node)), Action(binding.description, [], binding.action, node))
            if key not in known.keys:
                known.keys.append(key)
    return list(found.values())


def _nodes(screen: Screen[object]) -> Iterator[DOMNode]:
    focused = screen.focused
    if focused is not None:
        yield focused
    yield screen
    for widget in screen.walk_children():
        if widget is not focused and widget.is_attached and _visible(widget):
            yield widget
    yield screen.app


def _visible(node: DOMNode) -> bool:
    return all(each.display for each in node.ancestors_with_self)


def _bindings(node: DOMNode) -> Iterator[Binding]:
    """Of our own classes; the most derived first."""
    for kind in type(node).__mro__:
        if kind.__module__.startswith(OURS):
            yield from Binding.make_bindings(kind.__dict__.get("BINDINGS", ()))


def _possible(app: App[object], node: DOMNode, binding: Binding) -> bool:
    """As for keys: an action may be switched off by `check_action` of whoever performs it."""
    try:
        destination, name, parameters = parse(binding.action)
    except ActionError:
        return False
    target: DOMNode = node
    if destination == "app":
        target = app
    elif destination == "screen" and isinstance(node.screen, DOMNode):
        target = node.screen
    return target.check_action(name, parameters) is True
