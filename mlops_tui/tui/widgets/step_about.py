"""What a step is and why it is needed, for someone who has never seen Azure."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Link, Static

from mlops_tui.events import Identified
from mlops_tui.tui.plain import plain, plain_lines
from mlops_tui.tui.setup_words import costs_of, next_words, titles
from mlops_tui.tui.state.setup import SetupState, StepRow
from mlops_tui.tui.widgets.error_card import WEB


class StepAbout(VerticalScroll):
    DEFAULT_CSS = """
    StepAbout {
        padding: 0 1;
        Static { margin-bottom: 1; }
        .next { text-style: bold; }
        .facts { color: $text-muted; }
        Link { width: 1fr; }
    }
    """

    def compose(self) -> ComposeResult:
        yield Static(markup=False, classes="next")
        yield Static(markup=False, classes="about")
        yield Static(markup=False, classes="facts")
        yield MadeThings()
        yield Link("", url="", tooltip="Open this page in the browser (o)", id="more")

    def show(self, state: SetupState, row: StepRow) -> None:
        description = row.description
        self._fill(".next", next_words(state, row))
        self._fill(".about", plain_lines(description.about) if description else "")
        self._fill(".facts", _facts(state, row))
        self.query_one(MadeThings).show(tuple(row.made.values()))
        link = self.query_one("#more", Link)
        url = plain(description.link) if description else ""
        link.url, link.text = url, url and f"Read more: {url}"
        link.display = bool(url)

    def _fill(self, selector: str, text: str) -> None:
        static = self.query_one(selector, Static)
        if static.content != text:
            static.update(text)
        static.display = bool(text)


class MadeThings(Vertical):
    """What the step has made in this sitting, each with its page."""

    DEFAULT_CSS = """
    MadeThings { height: auto; margin-bottom: 1; Static { margin: 0; color: $text-success; } }
    """

    def __init__(self) -> None:
        super().__init__()
        self._shown: tuple[Identified, ...] = ()

    def show(self, made: tuple[Identified, ...]) -> None:
        self.display = bool(made)
        if made != self._shown:
            self._shown = made
            self.refresh(recompose=True)

    def compose(self) -> ComposeResult:
        for thing in self._shown:
            yield Static(f"✔ {plain(thing.what)}", markup=False)
            url = plain(thing.url)
            if url.startswith(WEB):
                yield Link(url, url=url, tooltip="Open its page in the browser")
            else:
                yield Static(f"  {plain(thing.id)}", markup=False)


def _facts(state: SetupState, row: StepRow) -> str:
    needs = [state.steps[need] for need in (row.description.needs if row.description else ()) if need in state.steps]
    lines = [f"Comes after: {titles(needs)}."] if needs else []
    return "\n".join([*lines, *(f"Costs: {cost}." for cost in costs_of([row]))])
