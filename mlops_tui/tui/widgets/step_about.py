"""What a step is and why it is needed, for someone who has never seen Azure."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.geometry import Size
from textual.reactive import Reactive
from textual.widgets import Link, Static

from mlops_tui.events import Identified
from mlops_tui.tui.state.setup import SetupState, StepRow
from mlops_tui.tui.widgets.error_card import WEB
from mlops_tui.tui.widgets.paragraph import Page, Paragraph
from mlops_tui.tui.words.plain import plain, plain_lines
from mlops_tui.tui.words.setup import costs_of, next_words, titles


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

    virtual_size = Reactive(Size(0, 0))  # see paragraph.py; bars that come or go ask for their layout themselves

    def compose(self) -> ComposeResult:
        for part in ("next", "about", "facts"):
            yield Paragraph(classes=part)
        yield MadeThings()
        yield Page("", url="", tooltip="Open this page in the browser (o)", id="more")

    def show(self, state: SetupState, row: StepRow) -> None:
        description = row.description
        parts = [next_words(state, row), plain_lines(description.about) if description else "", _facts(state, row)]
        for paragraph, text in zip(self.query(Paragraph), parts, strict=True):
            paragraph.show(text)
        self.query_one(MadeThings).show(tuple(row.made.values()))
        url = plain(description.link) if description else ""
        self.query_one(Page).show(f"Read more: {url}", url)


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
