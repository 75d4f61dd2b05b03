"""Where to work: the practice cloud on this machine, or an Azure cloud."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, ClassVar, cast

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import Screen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

if TYPE_CHECKING:
    from mlops_tui.events import SignIn
    from mlops_tui.tui.app import MlopsApp
    from mlops_tui.tui.desks.line import Topic

PRACTICE = {"cloud": "sandbox"}
ABOUT = "From an empty Azure subscription to a model that answers, every step live."
LOOKING = "looking for ways to sign in on this machine …"


class OpeningScreen(Screen[None]):
    """The first thing anybody sees; imports little, for it must be there at once."""

    help_text: ClassVar[str] = """\
# Where do you want to work?

**Practice on this machine** needs no account and costs nothing. A small cloud of its own starts on this machine; it
speaks as Azure and Azure Databricks do, really trains, and forgets nothing until you say so. Begin here.

**Azure** is the real thing: what you set up there costs what Azure charges for it. The list shows the ways of signing
in that this machine is prepared for: the Azure CLI, environment variables, Databricks profiles, or a browser.
Choosing one only looks; nothing is made before you say so on the next screen.

What you chose last time is marked and preselected.
"""
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "app.leave", "Quit", show=False)]
    DEFAULT_CSS = """
    OpeningScreen {
        align-horizontal: center;
        .all { max-width: 100; height: 1fr; padding: 1 2 0 2; }
        .brand { text-style: bold; color: $primary; }
        .question { padding: 1 0; }
        .project { color: $text-muted; padding: 1 0 0 0; }
        OptionList {
            height: auto; max-height: 1fr; padding: 0 1; background: $background; background-tint: $background 0%;
            border: round $border-blurred; border-title-color: $foreground;
        }
        OptionList:focus { border: round $primary; border-title-color: $primary; border-title-style: bold; }
        .option-list--option { padding: 0 1; }
        .option-list--option-disabled { color: $text-muted; }
    }
    """

    def compose(self) -> ComposeResult:
        with Vertical(classes="all"):
            yield Static("mlops-tui", markup=False, classes="brand")
            yield Static(ABOUT, markup=False)
            yield Static("Choose with ↑ ↓ and Enter, or click.", markup=False, classes="question")
            choices = OptionList()
            choices.border_title = "Where do you want to work?"
            yield choices
            yield Static("", markup=False, classes="project")

    def on_mount(self) -> None:
        self._choices: list[dict[str, str]] = []  # by the option's id
        self._offered: dict[str, str] = {}  # preselected by us; once somebody moves, theirs is kept
        self._fill()
        self.query_one(OptionList).focus()
        cast("MlopsApp", self.app).changes.subscribe(self, self._changed)

    def on_screen_resume(self) -> None:
        """Whenever somebody comes back: what there is may have changed."""
        if cast("MlopsApp", self.app).painted:
            self.look()

    def look(self) -> None:
        """What the first paint does not wait for."""
        if not self.query("Footer"):
            from textual.widgets import Footer

            self.mount(Footer(show_command_palette=True))
            self.call_after_refresh(self.refresh_bindings)  # which is what a footer waits for
        cast("MlopsApp", self.app).desk.find_sign_ins()
        self._describe_project()

    @work(exclusive=True)
    async def _describe_project(self) -> None:
        text = await asyncio.to_thread(cast("MlopsApp", self.app).describe_project)
        self.query_one(".project", Static).update(text)

    def _changed(self, topic: Topic) -> None:
        if topic == "opening":
            self._fill()

    def _fill(self) -> None:
        """Practice first; then, under a heading, the ways into Azure as far as they are known."""
        app = cast("MlopsApp", self.app)
        choices = self.query_one(OptionList)
        now = self._highlighted(choices)
        wanted = now if now != self._offered else app.remembered.chosen
        found = app.desk_or_none.sign_ins if app.desk_or_none else None
        self._choices = []
        choices.clear_options()
        choices.add_options(
            [
                self._option("Practice on this machine", "No account, no cost; ready in about 10 seconds.", PRACTICE),
                None,
                Option(Content.styled("Azure", "bold"), disabled=True),
                *self._sign_ins(found or ()),
            ]
        )
        if not found:
            text = (
                LOOKING if found is None else "No way to sign in was found; `mlops-tui config --sign-ins` tells more."
            )
            choices.add_option(Option(Content.styled(text, "$text-muted"), disabled=True))
        number = self._choices.index(wanted) if wanted in self._choices else 0
        choices.highlighted = choices.get_option_index(str(number))
        self._offered = self._choices[number]

    def _sign_ins(self, found: Iterable[SignIn]) -> Iterator[Option]:
        """Text from outside, made plain."""
        for sign_in in found:
            from mlops_tui.tui.words.plain import plain

            yield self._option(plain(sign_in.title), plain(sign_in.detail), sign_in.settings)

    def _highlighted(self, choices: OptionList) -> dict[str, str]:
        option = choices.highlighted_option
        return self._choices[int(option.id)] if option is not None and option.id else {}

    def _option(self, title: str, detail: str, settings: dict[str, str]) -> Option:
        """Two lines."""
        last = cast("MlopsApp", self.app).remembered.chosen == settings
        self._choices.append(dict(settings))
        parts: list[tuple[str, str]] = [(title, "bold")]
        if last:
            parts.append(("  · last time", ""))
        parts.append((f"\n  {detail}", ""))
        return Option(Content.assemble(*parts), id=str(len(self._choices) - 1))

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        settings = self._choices[int(event.option.id or 0)]
        cast("MlopsApp", self.app).open_cloud(settings)
