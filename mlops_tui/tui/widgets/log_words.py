"""What a log says of itself, in words: its status line, and what stands in place of lines. Knows no Textual."""

from __future__ import annotations

from mlops_tui.tui.logs.file import LevelFilter, LogFile
from mlops_tui.tui.logs.window import LogWindow

COPIED_AT_MOST = 10_000  # lines: terminals take no more in one piece


def counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def copied_words(lines: int) -> str:
    if lines < COPIED_AT_MOST:
        return f"Copied {counted(lines, 'line')}."
    return f"Copied the first {counted(lines, 'line')}. Press s to save all to a file."


def empty_words(file: LogFile | None, window: LogWindow) -> str:
    """Why there are no lines, and what to do about it."""
    if file is None:
        return "No log is chosen."
    if file.problem:
        return f"The log cannot be read: {file.problem}."
    if window.lines or not file.looked:
        return ""
    if not window.total:
        return "Nothing has been printed yet."
    if not window.count:
        hidden = window.levels.value.replace(" and ", " or ")
        return f"No {hidden} among {counted(window.total, 'line')}. Press l to show all."
    return ""


def status_words(window: LogWindow, title: str = "") -> str:
    """The most important first: the rest may not fit."""
    parts = [*_search(window), *_place(window)]
    if window.levels is not LevelFilter.ALL:
        parts.append(f"{window.levels.value} only")
    return " · ".join([*parts, title] if title else parts)


def _place(window: LogWindow) -> list[str]:
    index = window.index
    if index is None:
        return []
    if window.counting:
        return [f"counting lines {index.progress:.0%}"]
    if window.following:
        return ["following", counted(window.count, "line")]
    parts = ["paused"]
    if window.new:
        parts.append(counted(window.new, "new line"))
    parts.append("End to follow")
    if window.lines:
        first, last = window.lines[0].number + 1, window.lines[-1].number + 1
        parts.append(f"lines {first:,}–{last:,} of {window.total:,}")
    return parts


def _search(window: LogWindow) -> list[str]:
    search = window.search
    if search is None:
        return []
    found = len(search.matches)
    if found:
        place = window.match
        return [f"{place + 1:,} of {found:,}" if place is not None else f"{found:,} found"]
    if not search.finished(window.index):
        return ["searching"]
    return [f"no match for {search.wanted}"]
