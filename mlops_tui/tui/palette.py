"""The command palette: every action of the present screen, then what the whole app offers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, cast

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.types import IgnoreReturnCallbackType

from mlops_tui.tui.actions import actions_of
from mlops_tui.tui.modes import SECTIONS

if TYPE_CHECKING:
    from mlops_tui.tui.app import MlopsApp

OF_THE_APP = ("leave", "app.leave", "help", "copy_or_leave", "app.choose_cloud")  # told below in words of their own
ASIDE = tuple(f"go('{section}')" for section in SECTIONS)


@dataclass(frozen=True)
class Command:
    name: str
    help: str
    run: IgnoreReturnCallbackType


class Commands(Provider):
    """In the order of use, not of the alphabet."""

    async def discover(self) -> Hits:
        for command in self._commands():
            yield DiscoveryHit(command.name, command.run, help=command.help)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for command in self._commands():
            score = max(matcher.match(command.name), matcher.match(command.help) / 2)
            if score > 0:
                yield Hit(score, matcher.highlight(command.name), command.run, text=command.name, help=command.help)

    def _commands(self) -> Iterator[Command]:
        yield from self._of_the_screen()
        yield from self._of_the_app()

    def _of_the_screen(self) -> Iterator[Command]:
        for action in actions_of(self.screen):
            if action.call not in (*OF_THE_APP, *ASIDE):
                run = partial(self.app.run_action, action.call, default_namespace=action.node)
                yield Command(action.description, f"On this screen; key {' or '.join(action.keys)}", run)

    def _of_the_app(self) -> Iterator[Command]:
        app = cast("MlopsApp", self.app)
        if app.current_mode in SECTIONS:
            for number, section in enumerate(SECTIONS, 1):
                go = partial(app.show_section, section)
                yield Command(f"Go to {section.capitalize()}", f"Section; key {number}", go)
            yield Command("Choose another cloud", "Back to the opening; key 0", app.action_choose_cloud)
        yield Command("Help", "What this screen is for, and its keys; key F1", app.action_help)
        for name in app.available_themes:
            now = " (the present one)" if name == app.theme else ""
            yield Command(f"Theme: {name}", f"Colours{now}", partial(app.choose_theme, name))
        bell = "off" if app.remembered.bell else "on"
        yield Command(f"Bell {bell}", "Rings when something ends or fails", app.toggle_bell)
        yield Command("Save a screenshot", "As an SVG picture", partial(app.set_timer, 0.1, app.deliver_screenshot))
        yield Command("Quit", "Asks first if something runs; key q", app.action_leave)
