"""Draw one line of a log: the columns that are on the screen, with some parts of it standing out."""

from __future__ import annotations

from itertools import pairwise

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

Span = tuple[int, int, Style]  # characters from, to, and how they look
MORE = "…"


def draw(text: str, column: int, width: int, look: Style, spans: list[Span], row: int | None = None) -> Strip:
    """`width` cells of a line from `column` on. With a `row`, the mouse can tell which characters it is over."""
    if width <= 0:
        return Strip([], 0)
    if text.isascii():  # one cell a character: only what is on the screen is touched
        first, rest = column, len(text) - column
        strip = Strip(
            segments(text[column : column + width], look, shifted(spans, column, width)), min(max(0, rest), width)
        )
    else:
        whole = Strip(segments(text, look, spans))
        rest = whole.cell_length - column
        first = len(whole.crop(0, column).text) if column else 0
        strip = whole.crop(column, column + width)
    strip = strip.extend_cell_length(width, look)
    if row is not None:
        strip = strip.apply_offsets(first, row)
    if rest > width:
        strip = Strip([*strip.crop(0, width - 1), Segment(MORE, look + Style(bold=True))], width)
    return strip


def segments(text: str, look: Style, spans: list[Span]) -> list[Segment]:
    """The text in pieces that look the same; later spans lie over earlier ones."""
    if not spans:
        return [Segment(text, look)]
    edges = sorted({0, len(text), *(min(edge, len(text)) for span in spans for edge in span[:2])})
    pieces = []
    for start, end in pairwise(edges):
        style = look
        for first, last, over in spans:
            if first <= start and end <= last:
                style += over
        pieces.append(Segment(text[start:end], style))
    return pieces


def shifted(spans: list[Span], column: int, width: int) -> list[Span]:
    """Spans of a text as those of its part from `column` on."""
    return [
        (max(0, start - column), end - column, style)
        for start, end, style in spans
        if end > column and start < column + width
    ]
