"""Draws a figure with characters: braille dots and marks between two axes. Knows no widget."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from textual.content import Content

from mlops_tui.tui.state.figures import Figure, Point

BRAILLE = 0x2800
DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # of a cell: four rows of two
TITLES_FROM = 9  # rows from which the axes have their titles
LEAST_WIDTH, LEAST_HEIGHT = 20, 4
MARGIN = 0.06  # of the span, around the points
AXIS, GATE = "text-muted", "warning"
NEAR = 3  # a level farther off than this many spans is not drawn: it would press all points together

Cell = tuple[str, str]  # a character and a variable of the theme


def draw(figure: Figure, width: int, height: int) -> Content:
    """Exactly `height` lines of at most `width` cells; nothing where that is too small, or there are no points."""
    if width < LEAST_WIDTH or height < LEAST_HEIGHT or not any(series.points for series in figure.series):
        return Content()
    x_range, y_range = ranges(figure)
    titles = height >= TITLES_FROM
    rows = height - 2 - 2 * titles
    y_ticks = ticks(*y_range, max(rows // 2, 2))
    y_labels = [(tick, text) for tick, text in zip(y_ticks, tick_labels(y_ticks), strict=True)]
    left = min(max(len(text) for _, text in y_labels), width // 3)
    sheet = Sheet(width - left - 1, rows, x_range, y_range)
    sheet.draw(figure)
    lines = _with_left_axis(sheet, y_labels, left)
    lines += _bottom_axis(figure, sheet, left)
    if titles:
        lines.insert(0, [(figure.y_title[:width], AXIS)])
        lines.append([(figure.x_title.rjust(width)[-width:], AXIS)])
    return Content("\n").join(_content(line) for line in lines)


def ranges(figure: Figure) -> tuple[Point, Point]:
    """From where to where the axes go."""
    points = [point for series in figure.series for point in series.points]
    xs, ys = [x for x, _ in points], [y for _, y in points]
    if figure.diagonal:
        xs = ys = xs + ys
    low, high = min(ys), max(ys)
    span = high - low
    if figure.level is not None and (not span or low - NEAR * span <= figure.level <= high + NEAR * span):
        ys = [*ys, figure.level]
    return _range(xs), _range(ys)


def _range(values: Sequence[float]) -> Point:
    low, high = min(values), max(values)
    margin = (high - low) * MARGIN or abs(high) * 0.1 or 1.0
    return low - margin, high + margin


def ticks(low: float, high: float, most: int) -> list[float]:
    """Round numbers (1, 2 or 5 times a power of ten) between both ends; at most so many, at least one."""
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    for step in (power, 2 * power, 5 * power, 10 * power, 20 * power):
        first, last = math.ceil(low / step), math.floor(high / step)
        if last - first + 1 <= most:
            break
    return [min(max(number * step, low), high) for number in range(first, last + 1)] or [(low + high) / 2]


def tick_labels(values: Sequence[float]) -> list[str]:
    """As short as tells them apart."""
    step = values[1] - values[0] if len(values) > 1 else abs(values[0]) / 10
    if max(abs(value) for value in values) >= 100_000 or 0 < step < 0.00001:
        shortest = (([f"{value:.{digits}g}" for value in values]) for digits in range(3, 18))
        return next(
            (labels for labels in shortest if len(set(labels)) == len(values)), [f"{values[0]:g}"] * len(values)
        )
    decimals = max(0, -math.floor(math.log10(step))) if step else 0
    return [f"{value + 0.0:.{decimals}f}" for value in values]


class Sheet:
    """The cells between the axes."""

    def __init__(self, columns: int, rows: int, x_range: Point, y_range: Point) -> None:
        self.columns, self.rows = columns, rows
        self.x_range, self.y_range = x_range, y_range
        self.cells: list[list[Cell]] = [[(" ", "")] * columns for _ in range(rows)]

    def column(self, x: float, per_cell: int = 1) -> int:
        low, high = self.x_range
        return _place((x - low) / (high - low), self.columns * per_cell)

    def row(self, y: float, per_cell: int = 1) -> int:
        low, high = self.y_range
        return _place((high - y) / (high - low), self.rows * per_cell)

    def draw(self, figure: Figure) -> None:
        level = figure.level
        if level is not None and self.y_range[0] <= level <= self.y_range[1]:
            row = self.row(level)
            self.cells[row] = [("╌", GATE)] * self.columns
        if figure.diagonal:
            for step in range(0, self.columns * 2, 3):
                low, high = self.x_range
                value = low + (high - low) * step / (self.columns * 2)
                self._dot(step, self.row(value, 4), AXIS)
        for series in figure.series:
            if series.joined:
                for start, end in itertools.pairwise(series.points):
                    self._line(start, end, series.colour)
            elif series.mark:
                for x, y in series.points:
                    self.cells[self.row(y)][self.column(x)] = (series.mark, series.colour)
            else:
                for x, y in series.points:
                    self._dot(self.column(x, 2), self.row(y, 4), series.colour)

    def _line(self, start: Point, end: Point, colour: str) -> None:
        x, y = self.column(start[0], 2), self.row(start[1], 4)
        across, down = self.column(end[0], 2) - x, self.row(end[1], 4) - y
        steps = max(abs(across), abs(down), 1)
        for step in range(steps + 1):
            self._dot(x + round(across * step / steps), y + round(down * step / steps), colour)

    def _dot(self, column: int, row: int, colour: str) -> None:
        character = self.cells[row // 4][column // 2][0]
        there = ord(character) - BRAILLE if BRAILLE <= ord(character) < BRAILLE + 256 else 0
        self.cells[row // 4][column // 2] = (chr(BRAILLE + (there | DOTS[row % 4][column % 2])), colour)


def _place(share: float, places: int) -> int:
    return min(max(int(share * places), 0), places - 1)


def _with_left_axis(sheet: Sheet, labels: Sequence[tuple[float, str]], left: int) -> list[list[Cell]]:
    by_row = {sheet.row(tick): text for tick, text in labels}
    return [
        [(f"{by_row.get(number, '')[:left]:>{left}}{'┤' if number in by_row else '│'}", AXIS), *cells]
        for number, cells in enumerate(sheet.cells)
    ]


def _bottom_axis(figure: Figure, sheet: Sheet, left: int) -> list[list[Cell]]:
    """The line with its ticks, and what stands below them."""
    line, below = ["─"] * sheet.columns, [" "] * (sheet.columns + left + 1)
    end = -1  # of the label before
    for tick, text in _x_labels(figure, sheet):
        column = sheet.column(tick)
        start = min(max(column + left + 1 - len(text) // 2, 0), len(below) - len(text))
        if start > end:
            line[column] = "┬"
            below[start : start + len(text)] = text
            end = start + len(text)
    return [[(" " * left + "└" + "".join(line), AXIS)], [("".join(below), AXIS)]]


def _x_labels(figure: Figure, sheet: Sheet) -> list[tuple[float, str]]:
    """Numbers; names for builds: the ends of them, where they differ."""
    if figure.x_names is None:
        values = ticks(*sheet.x_range, max(sheet.columns // 10, 2))
        return list(zip(values, tick_labels(values), strict=True))
    room = max(sheet.columns // 3, 6)
    names = [
        (value, name if len(name) <= room else f"…{name[1 - room :]}") for value, name in sorted(figure.x_names.items())
    ]
    return _spread(names, sheet)


def _spread(names: list[tuple[float, str]], sheet: Sheet) -> list[tuple[float, str]]:
    """As many as there is room for, evenly, with the first."""
    widest = max(len(name) for _, name in names) + 2
    every = max(1, math.ceil(len(names) * widest / max(sheet.columns, 1)))
    return names[::every]


def _content(line: Sequence[Cell]) -> Content:
    """Neighbours of one colour together."""
    spans = []
    for colour, cells in itertools.groupby(line, key=lambda cell: cell[1]):
        text = "".join(character for character, _ in cells)
        spans.append((text, f"${colour}") if colour else text)
    return Content.assemble(*spans)
