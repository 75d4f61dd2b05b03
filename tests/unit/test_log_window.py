"""The window over a log: it follows the end, stands still, filters, and goes to what is looked for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mlops_tui.tui.logs.file import LevelFilter, LogFile, LogIndex
from mlops_tui.tui.logs.search import LogSearch
from mlops_tui.tui.logs.window import LogWindow
from tests.unit.log_stories import scanned, write

ALL, ERRORS = LevelFilter.ALL, LevelFilter.ERRORS


def until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + 5
    while not true():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.005)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "all.log"


@pytest.fixture
def follow() -> Iterator[Callable[[Path], LogFile]]:
    """Logs that are closed at the end."""
    logs: list[LogFile] = []

    def open_log(path: Path) -> LogFile:
        logs.append(LogFile(path))
        return logs[-1]

    yield open_log
    for log in logs:
        log.close(5)


def settled(window: LogWindow, lines: int) -> LogWindow:
    """A window that has taken in so many lines."""
    until(lambda: (window.update(), window.total == lines)[1])
    return window


def test_a_log_may_come_later_grow_and_be_replaced(path: Path, follow: Callable[[Path], LogFile]) -> None:
    log = follow(path)
    window = LogWindow(log)
    window.height = 3
    assert not window.update() or window.lines == []
    assert log.index is None

    write(path, *(f"i old {at}" for at in range(10)))
    settled(window, 10)
    assert [line.text for line in window.lines] == ["old 7", "old 8", "old 9"]

    write(path, "i old 10")
    settled(window, 11)
    assert window.lines[-1].text == "old 10"

    other = write(path.with_name("other.log"), "i new 0")
    other.replace(path)
    settled(window, 1)
    assert [line.text for line in window.lines] == ["new 0"]

    write(path, "i x", mode="w")  # shorter than before, in place
    until(lambda: (window.update(), [line.text for line in window.lines] == ["x"])[1])


def test_a_log_that_cannot_be_read_says_so(tmp_path: Path, follow: Callable[[Path], LogFile]) -> None:
    log = follow(tmp_path)  # a folder
    until(lambda: log.problem)
    assert "directory" in log.problem


def test_scrolling_up_stands_still_counts_what_comes_and_follows_again(
    path: Path, follow: Callable[[Path], LogFile]
) -> None:
    window = LogWindow(follow(write(path, *(f"i {at}" for at in range(100)))))
    window.height = 10
    settled(window, 100)
    window.scroll_by(-5)
    window.update()
    here = [line.number for line in window.lines]
    assert here == list(range(85, 95))

    write(path, *(f"i {at}" for at in range(100, 130)))
    assert [line.number for line in settled(window, 130).lines] == here
    assert window.new == 30
    assert not window.update(), "nothing on the screen has changed"

    window.scroll_by(1000)
    window.update()
    assert window.following
    assert window.lines[-1].number == 129


def test_the_end_is_shown_before_the_lines_are_counted(path: Path) -> None:
    write(path, *(f"i line {at} {'x' * 60}" for at in range(20_000)))

    class Uncounted(LogFile):
        def __init__(self, path: Path) -> None:
            self.index = LogIndex(path)

    window = LogWindow(Uncounted(path))
    window.height = 4
    assert window.update()
    assert window.counting
    assert [line.text.split()[1] for line in window.lines] == ["19996", "19997", "19998", "19999"]
    window.scroll_by(-1)
    assert window.following, "from where, is not known yet"


def test_a_filter_keeps_the_place_and_the_count_of_new_lines(path: Path, follow: Callable[[Path], LogFile]) -> None:
    window = LogWindow(follow(write(path, *(f"{'e' if at % 10 == 0 else 'i'} {at}" for at in range(1000)))))
    window.height = 10
    settled(window, 1000)
    window.scroll_to(500)
    window.filter(ERRORS)
    window.update()
    assert [line.number for line in window.lines] == list(range(500, 600, 10))
    write(path, *["i no", "e yes"] * 3)
    settled(window, 1006)
    assert window.new == 3
    window.filter(ALL)
    window.update()
    assert window.lines[0].number == 500


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("alpha", [1, 3]),
        ("Alpha", [1]),
        ("rmse=0.5", [3, 4]),
        ("é", [5, 6]),
        ("x.y", [7]),
        ("i ", []),
        ("漢字", [8]),
        ("nothing", []),
    ],
)
def test_plain_text_is_found_with_small_letters_for_both_cases(path: Path, wanted: str, found: list[int]) -> None:
    texts = ["", "Alpha", "a.l.p.h.a", "ALPHA rmse=0.5", "RMSE=0.5", "caf\u00e9", "CAF\u00c9", "x.y", "漢字", "xzy"]
    write(path, *(f"i {text}" for text in texts))
    index, search = scanned(path), LogSearch(wanted)
    while search.step(index):
        pass
    assert list(search.matches) == found
    assert search.finished(index)
    assert all(search.spans(texts[at]) for at in found)


def test_a_search_goes_over_all_chunks_and_the_lines_that_come(path: Path, follow: Callable[[Path], LogFile]) -> None:
    needles = range(1, 20_000, 1000)
    write(path, *(f"{'ie'[at % 2]} {at:06} {'needle' if at in needles else 'hay'} {'x' * 50}" for at in range(20_000)))
    window = LogWindow(follow(path))
    window.height = 10
    settled(window, 20_000)
    window.look_for("needle")
    until(lambda: (window.update(), window.in_hand is not None)[1])
    assert window.search
    until(lambda: window.search and window.search.finished(window.index))
    assert list(window.search.matches) == list(needles)
    assert window.in_hand == 19_001, "the nearest one above what was shown"
    assert window.match == 19
    assert 19_001 in [line.number for line in window.lines]

    window.to_match()
    assert window.in_hand == 1, "round to the first"
    window.update()
    window.to_match()
    assert window.in_hand == 1001
    window.update()
    window.to_match(forwards=False)
    assert window.in_hand == 1

    write(path, "i a needle more")
    until(lambda: window.search and len(window.search.matches) == 21)
    assert window.in_hand == 1, "what comes moves nothing"
    window.filter(ERRORS)
    until(lambda: (window.update(), window.search and window.search.finished(window.index))[1])
    assert len(window.search.matches) == 20


def test_each_line_counts_once_however_often_it_matches(path: Path) -> None:
    write(path, "i aa aa aa", "e aa", "i bb")
    index, search = scanned(path), LogSearch("aa")
    search.step(index)
    assert list(search.matches) == [0, 1]
    assert search.spans("aa aa") == [(0, 2), (3, 5)]
