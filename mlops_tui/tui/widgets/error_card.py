"""An error as people read it: what happened, what to do now, a link, and folded away what the service said."""

from __future__ import annotations

import re

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Button, Collapsible, Link, Static

from mlops_tui.errors import UsageError
from mlops_tui.events import ErrorCard
from mlops_tui.redaction import redact
from mlops_tui.tui.words.plain import plain, plain_lines
from mlops_tui.tui.words.signs import STEP_SIGNS

MOST_RAW = 4_000  # characters shown of what the service said; all of them are copied
WEB = ("https://", "http://")
COMMAND_AGAIN = re.compile(r"\brun the (same )?command again\b", re.IGNORECASE)


class ErrorCardView(VerticalScroll):
    """`show(card)`; nothing is seen where there is none."""

    DEFAULT_CSS = """
    ErrorCardView {
        height: auto; max-height: 50%; padding: 0 1; background: $surface; border-left: thick $error; display: none;
        &:focus { border-left: thick $primary; }
        .message { color: $text-error; text-style: bold; }
        .problems { margin-top: 1; }
        .hint { margin-top: 1; }
        Link { width: 1fr; height: auto; }
        Collapsible { padding: 0; border: none; background: $surface; }
        .raw { color: $text-muted; }
        Button { min-width: 0; width: auto; }
    }
    """

    def __init__(self, id: str | None = None) -> None:  # noqa: A002 (Textual's name)
        super().__init__(id=id)
        self._card: ErrorCard | None = None

    def compose(self) -> ComposeResult:
        yield Static(markup=False, classes="message")
        yield Static(markup=False, classes="problems")
        yield Static(markup=False, classes="hint")
        yield Link("", url="", tooltip="Open this page in the browser")
        with Collapsible(title="What the service said"):
            yield Static(markup=False, classes="raw")
        yield Button("Copy the error", classes="copy", compact=True)

    def show(self, card: ErrorCard | None) -> None:
        """Replace what is shown; None hides it."""
        if card == self._card:
            return
        self._card = card
        self.display = card is not None
        if card is None:
            return
        self.query_one(".message", Static).update(f"{STEP_SIGNS['failed']} {plain_lines(redact(card.message))}")
        # What was given wrongly is named there, one thing a line: no service has said it, and that must be seen.
        ours = card.exit_code == UsageError.exit_code
        self._fill(".problems", plain_lines(redact(card.raw))[:MOST_RAW] if ours else "")
        self._fill(".hint", f"What to do: {_here(plain_lines(redact(card.hint)))}" if card.hint else "")
        link = self.query_one(Link)
        link.text = link.url = plain(card.link) if card.link.startswith(WEB) else ""
        link.display = bool(link.url)
        said = "" if ours else "\n".join(filter(None, [card.code, card.raw]))
        self.query_one(Collapsible).display = bool(said)
        self._fill(".raw", plain_lines(redact(said))[:MOST_RAW])
        self.scroll_home(animate=False)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        self.copy()

    def copy(self) -> None:
        """All of it, for whoever can help."""
        if self._card is not None:
            self.app.copy_to_clipboard(as_text(self._card))
            self.app.notify("The error is in the clipboard.", title="Copied", markup=False)

    def _fill(self, selector: str, text: str) -> None:
        static = self.query_one(selector, Static)
        static.update(text)
        static.display = bool(text)


def _here(hint: str) -> str:
    """Hints speak to whoever has typed a command; here one presses a key, or a button, again."""
    return COMMAND_AGAIN.sub(lambda found: "Try again" if found[0][0] == "R" else "try again", hint)


def as_text(card: ErrorCard) -> str:
    """The card as it is copied."""
    parts = [card.message, card.hint, card.link, card.code, card.raw]
    return "\n".join(plain_lines(redact(part)) for part in parts if part)
