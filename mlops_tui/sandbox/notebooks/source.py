"""Databricks source notebooks: cells and their magics.

Format: Databricks documentation, "Export and import notebooks", source file format for Python.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

HEADER = "# Databricks notebook source"
_SEPARATOR = re.compile(r"^# COMMAND -{5,}\s*$")
_MAGIC = re.compile(r"^# MAGIC ?")
_NOT_CODE = (HEADER, "# DBTITLE")


@dataclass(frozen=True)
class Cell:
    """One cell. `language` is "python", or the magic's word without its sign: "md", "pip", "sh", "run"."""

    number: int  # 1 for the first, text cells included, as the notebook's page counts
    line: int  # of the file, 1-based, where `source` begins
    language: str
    source: str  # a python cell keeps its lines, so that line numbers can be true


def parse(text: str) -> list[Cell]:
    """The cells that hold anything. A file without the notebook header is one Python cell."""
    lines = text.replace("\r\n", "\n").lstrip("\ufeff").split("\n")
    if lines[0].rstrip() != HEADER:
        return [Cell(1, 1, "python", "\n".join(lines))]
    cells: list[Cell] = []
    start = 0
    for end in [number for number, line in enumerate(lines) if _SEPARATOR.match(line)] + [len(lines)]:
        cell = _cell(len(cells) + 1, start, lines[start:end])
        if cell:
            cells.append(cell)
        start = end + 1
    return cells


def _cell(number: int, start: int, lines: list[str]) -> Cell | None:
    content = [line for line in lines if line.strip() and not line.startswith(_NOT_CODE)]
    if not content:
        return None
    if not all(_MAGIC.match(line) for line in content):
        return Cell(number, start + 1, "python", "\n".join(lines))
    first = next(index for index, line in enumerate(lines) if line == content[0])
    body = [_MAGIC.sub("", line) for line in lines[first:]]
    if body[0].startswith("!"):
        return Cell(number, start + first + 1, "sh", "\n".join([body[0][1:], *body[1:]]))
    if not body[0].startswith("%"):
        return Cell(number, start + first + 1, "python", "\n".join(body))
    magic, _, rest = body[0][1:].partition(" ")
    return Cell(number, start + first + 1, magic.strip(), "\n".join([rest, *body[1:]]))


def cell_at(cells: list[Cell], line: int) -> int:
    """The number of the cell that holds this line of the file."""
    return next((cell.number for cell in reversed(cells) if cell.line <= line), 1)
