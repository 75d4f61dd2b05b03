"""A screen as text that people can read in a diff: what stands where, and below it in which style."""

from __future__ import annotations

import io
import re
from typing import Any

from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual.app import App

LETTERS = ".abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+*#@%&=~^<>?!$"


def text_of(app: App[Any]) -> str:
    """What can be read on the screen, a line each."""
    return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in _strips(app))


def picture(app: App[Any]) -> str:
    """The text, then the same cells with a letter for each style, then what the letters mean."""
    legend: dict[str, str] = {}
    styles: list[str] = []
    for strip in _strips(app):
        row = ""
        for segment in strip:
            described = _described(segment)
            letter = legend.setdefault(described, LETTERS[min(len(legend), len(LETTERS) - 1)])
            row += letter * segment.cell_length
        styles.append(_run_lengths(row))
    meaning = [f"{letter}  {described}" for described, letter in legend.items()]
    return "\n".join([text_of(app), "", *styles, "", *meaning, ""])


def _strips(app: App[Any]) -> list[list[Segment]]:
    """As Textual's own export of a screenshot takes them: dialogs with what is behind them."""
    console = Console(width=app.size.width, height=app.size.height, file=io.StringIO(), color_system="truecolor")
    update: Any = app.screen._compositor.render_update(full=True, screen_stack=app._background_screens)
    lines = console.render_lines(update, pad=False)
    return [[segment for segment in line if not segment.control] for line in lines]


def _described(segment: Segment) -> str:
    """ "bold #ffffff on #000000"; without what only a mouse would notice."""
    style = segment.style
    return str(Style.combine([style.without_color, Style.from_color(style.color, style.bgcolor)])) if style else ""


def _run_lengths(row: str) -> str:
    """ "aaaabb" as "4a 2b"."""
    return " ".join(f"{len(found.group())}{found.group()[0]}" for found in re.finditer(r"(.)\1*", row))
