"""What the cloud offers for a setting, to choose from; typing narrows it down."""

from __future__ import annotations

from collections.abc import Callable

from textual import on
from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Input, LoadingIndicator, OptionList, Static
from textual.widgets.option_list import Option

from mlops_tui.events import Choice
from mlops_tui.tui.dialogs.box import BoxDialog
from mlops_tui.tui.words.plain import plain

Offered = Callable[[], tuple[tuple[Choice, ...] | None, str]]  # the choices once they are there, and what went wrong
LOOK_SECONDS = 0.1


class PickValue(BoxDialog[str]):
    """The value chosen. What is offered may still be on its way: it is shown when it has come."""

    DEFAULT_CSS = """
    PickValue {
        LoadingIndicator { height: 3; }
        OptionList { height: auto; max-height: 12; margin-top: 1; border: none; }
    }
    """

    def __init__(self, title: str, offered: Offered) -> None:
        super().__init__()
        self._title = title
        self._offered = offered
        self._choices: tuple[Choice, ...] = ()
        self._shown: list[Choice] = []

    def body(self) -> ComposeResult:
        yield Input(placeholder="Type to narrow the list down", compact=True)
        yield Static("Asking the cloud …", markup=False, classes="note")
        yield LoadingIndicator()
        yield OptionList(markup=False)

    def on_mount(self) -> None:
        self.query_one("#box").border_title = Content(self._title)
        self.query_one(OptionList).display = False
        self._clock = self.set_interval(LOOK_SECONDS, self._look)
        self.query_one(Input).focus()
        self._look()

    def key_down(self) -> None:
        """From the input into the list."""
        if isinstance(self.focused, Input) and self._shown:
            self.query_one(OptionList).focus()

    def _look(self) -> None:
        choices, problem = self._offered()
        if choices is None and not problem:
            return
        self._clock.stop()
        self.query_one(LoadingIndicator).display = False
        if problem:
            self._note(f"{plain(problem)} You can type the value into the form all the same.")
        else:
            self._choices = choices or ()
            self._narrow("")

    def _narrow(self, wanted: str) -> None:
        words = wanted.lower().split()
        self._shown = [
            choice
            for choice in self._choices
            if all(word in f"{choice.value} {choice.label}".lower() for word in words)
        ]
        options = self.query_one(OptionList)
        options.clear_options()
        options.add_options(Option(Content(plain(choice.label))) for choice in self._shown)
        options.display = bool(self._shown)
        options.highlighted = 0 if self._shown else None
        if not self._choices:
            self._note("The cloud has none of these yet. You can type a value into the form.")
        else:
            self._note(f"{len(self._shown)} of {len(self._choices)}. Enter takes the one marked.")

    def _note(self, text: str) -> None:
        self.query_one(".note", Static).update(text)

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        if self._choices:
            self._narrow(event.value)

    @on(Input.Submitted)
    def _entered(self) -> None:
        if self._shown:
            self.dismiss(self._shown[self.query_one(OptionList).highlighted or 0].value)

    @on(OptionList.OptionSelected)
    def _picked(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self._shown[event.option_index].value)
