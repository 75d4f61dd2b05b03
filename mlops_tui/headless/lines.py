"""Lines of plain text on a stream. Text from outside is never parsed as markup, and is redacted first."""

from __future__ import annotations

import re
from typing import TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from mlops_tui.events import Change
from mlops_tui.redaction import redact

SIGNS = {"create": "+", "update": "~", "replace": "±", "remove": "-", "keep": "="}
CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]")
WIDE = 240  # columns where nobody says how wide the reader is: log viewers wrap by themselves


class Lines:
    """Writes to `out`; error cards go to `err`, so that a caller may keep them apart."""

    def __init__(self, out: TextIO, err: TextIO) -> None:
        self._out = self._console(out)
        self._err = self._console(err)

    def _console(self, stream: TextIO) -> Console:
        width = None if stream.isatty() else WIDE
        return Console(file=stream, highlight=False, markup=False, emoji=False, soft_wrap=True, width=width)

    def _line(self, text: str, style: str = "") -> None:
        self._out.print(Text(redact(text), style))

    def _labelled(self, label: str, text: str, style: str = "") -> None:
        """A line of a log. Its colours are kept where there are colours; it moves no cursor and rings no bell."""
        label, text = redact(label), redact(text)
        body = Text.from_ansi(text) if "\x1b" in text else Text(text)
        plain = CONTROL.sub("", body.plain)
        if self._out.color_system is None:  # ten times as fast, and a run may print a million lines
            self._out.file.write(f"{label} │ {plain}\n")
            self._out.file.flush()
            return
        if plain != body.plain:
            body = Text(plain)
        body.stylize_before(style)
        self._out.print(Text.assemble((f"{label} │ ", "dim"), body))

    def _change(self, change: Change) -> None:
        """A line for what happens; what it costs and what to beware of on lines of their own."""
        notes = [change.detail, f"known after {change.after}" if change.after else ""]
        note = "; ".join(note for note in notes if note)
        style = "dim" if change.action == "keep" else ""
        sign = SIGNS[change.action]
        self._line(f"    {sign} {change.action:<7} {change.what}{f'  ({note})' if note else ''}", style)
        if change.cost:
            self._line(f"      costs: {change.cost}", style)
        if change.warning:
            self._line(f"      ! {change.warning}", "yellow")


def plain_table(*titles: str) -> Table:
    """Without any lines; each row is one."""
    table = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
    for title in titles:
        table.add_column(title, no_wrap=True)
    return table
