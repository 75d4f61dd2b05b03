"""Draw one line of a log: the columns that are on the screen, with some parts of it standing out."""

from __future__ import annotations

from itertools import pairwise

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

Span = tuple[int, int, Style]  # characters from, to, and how they look
MORE = "…"
PIECE = 128  # characters


def draw(text: str, column: int, width: int, look: Style, spans: list[Span], row: int | None = None) -> list[Segment]:
    """`width` cells of a line from `column` on. With a `row`, the mouse can tell which characters it is over."""
    first = column
    if text.isascii():  # one cell a character: only what is on the screen is touched
        there = len(text) - column
        wide = width - (there > width)
        pieces = segments(text[column : column + wide], look, shifted(spans, column, wide))
    else:
        first, left, near = around(text, column, width)
        strip = Strip(segments(near, look, shifted(spans, first, len(near))))
        there = strip.cell_length - left
        wide = width - (there > width)
        pieces = list(strip.crop(left, left + wide))
        first += len(strip.crop(0, left).text) if left else 0
    if there < width:
        pieces.append(Segment(" " * (width - max(0, there)), look))
    if row is not None:
        pieces = with_offsets(pieces, first, row)
    if there > width:
        pieces.append(Segment(MORE, look))
    return pieces


def cells(text: str) -> int:
    """How many cells it takes. Short pieces are measured once, then remembered: for wide characters it is slow work."""
    if text.isascii():
        return len(text)
    return sum(cell_len(text[at : at + PIECE]) for at in range(0, len(text), PIECE))


def around(text: str, column: int, width: int) -> tuple[int, int, str]:
    """The part that holds `width` cells from `column` on: its first character, its cells left of `column`, its text."""
    first = before = 0
    while first < len(text) and before + (piece := cells(text[first : first + PIECE])) <= column:
        before += piece
        first += PIECE
    end, until = first, before
    while end < len(text) and until <= column + width:
        until += cells(text[end : end + PIECE])
        end += PIECE
    return first, column - before, text[first:end]


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
