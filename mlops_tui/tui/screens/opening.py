"""Where to work: the practice cloud on this machine, or an Azure cloud."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import ComposeResult
from textual.screen import Screen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

if TYPE_CHECKING:
    from mlops_tui.tui.app import MlopsApp


class OpeningScreen(Screen[None]):
    """The first thing anybody sees; imports little, for it must be there at once."""

    help_text: ClassVar[str] = ""

    def compose(self) -> ComposeResult:
        yield Static("Where do you want to work?", markup=False)
        yield OptionList(Option("Practice on this machine", id="practice"))

    def on_option_list_option_selected(self) -> None:
        app = cast("MlopsApp", self.app)
        app.desk.open({"cloud": "sandbox"})
        app.show_section("setup")
