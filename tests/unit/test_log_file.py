"""A log's file: its lines are found while it grows, only the asked-for ones are read, and any of them can be saved."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from mlops_tui.tui.logs.file import CHUNK, LONGEST, LevelFilter, Line, printable
from mlops_tui.tui.logs.saving import save
from tests.unit.log_stories import scanned, write

ALL, WARNINGS, ERRORS = LevelFilter.ALL, LevelFilter.WARNINGS, LevelFilter.ERRORS


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "all.log"


def test_lines_are_found_over_many_chunks_and_only_the_wanted_are_read(path: Path) -> None:
    number = 20_000
    write(path, *(f"i line {at} {'x' * 40}" for at in range(number)))
    assert path.stat().st_size > 3 * CHUNK

    index = scanned(path)

    assert index.count() == number
    assert [line.text.split()[1] for line in index.read(ALL, 12_345, 3)] == ["12345", "12346", "12347"]
    assert index.read(ALL, number - 1, 10)[-1].number == number - 1
    assert index.read(ALL, number, 10) == []
    assert index.tail(ALL, 2) == [Line(-1, "i", f"line {at} {'x' * 40}") for at in (number - 2, number - 1)]


def test_a_line_counts_when_it_is_complete(path: Path) -> None:
    path.write_text("i one\ni tw")
    index = scanned(path)
    assert index.count() == 1
    with path.open("a") as file:
        file.write("o\n")
    assert index.scan()
    assert [line.text for line in index.read(ALL, 0, 9)] == ["one", "two"]
    assert not index.scan()


def test_a_line_longer_than_any_chunk_is_one_line_and_shown_in_part(path: Path) -> None:
    write(path, "i before", "e " + "y" * (3 * CHUNK), "i after")
    index = scanned(path)
    assert index.count() == 3
    before, long, after = index.read(ALL, 0, 3)
    assert (before.text, after.text) == ("before", "after")
    assert (long.level, len(long.text)) == ("e", LONGEST)
    assert index.number(ERRORS, 0) == 1


def test_levels_are_found_at_the_edges_of_chunks_too(path: Path) -> None:
    severe = {0: "e", 5_000: "w", 9_999: "e"} | dict.fromkeys(range(3000, 3400), "w")
    write(path, *(f"{severe.get(at, 'i')} line {at} {'e w ' * 20}" for at in range(10_000)))
    index = scanned(path)
    assert [index.number(WARNINGS, row) for row in range(index.count(WARNINGS))] == sorted(severe)
    assert [line.number for line in index.read(ERRORS, 0, 9)] == [0, 9_999]
    assert index.row(WARNINGS, 4_000) == 401  # the next one that passes: line 5,000
    assert {line.level for line in index.tail(WARNINGS, 5)} == {"e"}


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"plain\n", "plain"),
        (b"a\tb\n", "a       b"),
        (b"\x1b[31mred\x07\x00\x1b]0;title\x07\n", "red"),
        ("\u202eturned\u2066 \x9b31mback\n".encode(), "turned back"),
        ("line\u2028break\n".encode(), "line break"),
        (b"\xff\xfe broken\n", "\ufffd\ufffd broken"),
        ("שלום 漢字 👩‍👧 e\u0301\n".encode(), "שלום 漢字 👩‍👧 e\u0301"),
        (b"[red]no markup[/]\r\n", "[red]no markup[/]"),
        (b"\n", ""),
    ],
)
def test_what_would_steer_the_terminal_is_never_shown(raw: bytes, shown: str) -> None:
    assert printable(raw) == shown


def test_lines_of_files_without_marks_are_shown_whole(path: Path) -> None:
    write(path, "no mark here", "x y", "")
    assert [(line.level, line.text) for line in scanned(path).read(ALL, 0, 9)] == [
        ("i", "no mark here"),
        ("i", "x y"),
        ("i", ""),
    ]


def test_a_saved_log_is_private_new_and_has_what_the_filter_shows(path: Path, tmp_path: Path) -> None:
    write(path, *(f"{'w' if at % 3 == 0 else 'i'} line {at} \u00e9" for at in range(5000)))
    index = scanned(path)
    first, lines = save(index, ALL, tmp_path, "alpha=0.5,l1_ratio=0.5 / ../x")
    second, warnings = save(index, WARNINGS, tmp_path, "alpha=0.5,l1_ratio=0.5 / ../x")
    assert first.parent == second.parent == tmp_path
    assert first != second
    assert stat.S_IMODE(first.stat().st_mode) == 0o600
    assert (lines, warnings) == (5000, 1667)
    assert first.read_text("utf-8").splitlines() == [f"line {at} \u00e9" for at in range(5000)]
    assert second.read_text("utf-8").splitlines()[:2] == ["line 0 \u00e9", "line 3 \u00e9"]
