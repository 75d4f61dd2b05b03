"""Draw one line of a log: the columns that are on the screen, with some parts of it standing out."""

from __future__ import annotations

from itertools import pairwise

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

Span = tuple[int, int, Style]  # characters from, to, and how they look
MORE = "…"


def draw(text: str, column: int, width: int, look: Style, spans: list[Span], row: int | None = None) -> list[Segment]:
    """`width` cells of a line from `column` on. With a `row`, the mouse can tell which characters it is over."""
    first = column
    if text.isascii():  # one cell a character: only what is on the screen is touched
        cells = len(text) - column
        wide = width - (cells > width)
        pieces = segments(text[column : column + wide], look, shifted(spans, column, wide))
    else:
        whole = Strip(segments(text, look, spans))
        cells = whole.cell_length - column
        wide = width - (cells > width)
        pieces = list(whole.crop(column, column + wide))
        first = len(whole.crop(0, column).text) if column else 0
    if cells < width:
        pieces.append(Segment(" " * (width - max(0, cells)), look))
    if row is not None:
        pieces = with_offsets(pieces, first, row)
    if cells > width:
        pieces.append(Segment(MORE, look))
    return pieces


def with_offsets(pieces: list[Segment], first: int, row: int) -> list[Segment]:
    """Pieces that tell Textual's text selection where in the text they are."""
    placed = []
    for text, style, _ in pieces:
        placed.append(Segment(text, (style or Style.null()) + Style.from_meta({"offset": (first, row)})))
        first += len(text)
    return placed


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
