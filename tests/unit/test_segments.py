"""Reading a run's live log from its numbered segment files."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from mlops_tui import redaction
from mlops_tui.errors import NotFoundError, UnreachableError
from mlops_tui.training import segments
from mlops_tui.training.segments import Segments


class Folder:
    """A folder in memory; `hidden` files are listed and cannot be read, `broken` ones lose the connection once."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.hidden: set[str] = set()
        self.broken: set[str] = set()
        self.bytes_read = 0
        self.listed = 0

    def list(self, folder: str) -> dict[str, int]:
        assert folder == "dbfs:/logs/17/a"
        self.listed += 1
        return {name: len(data) for name, data in self.files.items()}

    def read(self, path: str, offset: int = 0) -> bytes:
        name = path.rpartition("/")[2]
        if name in self.broken:
            self.broken.remove(name)
            raise UnreachableError("gone")
        if name in self.hidden or name not in self.files:
            raise NotFoundError("not yet")
        data = self.files[name][offset:]
        self.bytes_read += len(data)
        return data


@pytest.fixture
def folder() -> Folder:
    return Folder()


@pytest.fixture
def log(folder: Folder) -> Segments:
    return Segments(folder, "dbfs:/logs/17/a/")


def test_no_folder_yet_is_no_lines_yet(log: Segments) -> None:
    assert log.read() == []
    assert not log.ended


def test_lines_come_once_and_in_order(folder: Folder, log: Segments) -> None:
    folder.files["000001.log"] = b"two\n"
    folder.files["000000.log"] = b"one\n"
    assert log.read() == ["one", "two"]
    assert log.read() == []
    folder.files["000002.log"] = b"three\n"
    assert log.read() == ["three"]


def test_a_segment_that_shows_before_its_elder_waits_for_it(folder: Folder, log: Segments) -> None:
    folder.files["000001.log"] = b"two\n"
    assert log.read() == []
    folder.files["000000.log"] = b"one\n"
    assert log.read() == ["one", "two"]


def test_a_listed_segment_that_cannot_be_read_yet_is_asked_for_again(folder: Folder, log: Segments) -> None:
    folder.files = {"000000.log": b"one\n", "000001.log": b"two\n"}
    folder.hidden = {"000000.log"}
    assert log.read() == []
    folder.hidden = set()
    assert log.read() == ["one", "two"]


def test_a_segment_seen_half_written_is_read_on_where_it_was_left(folder: Folder, log: Segments) -> None:
    folder.files["000000.log"] = b"first li"
    assert log.read() == []
    folder.files["000000.log"] = b"first line\nsecond\n"
    assert log.read() == ["first line", "second"]
    assert folder.bytes_read == len(b"first line\nsecond\n")


def test_a_letter_cut_in_two_by_a_segment_border_is_whole_again(folder: Folder, log: Segments) -> None:
    text = "größe ✓\n".encode()
    for cut in range(1, len(text)):
        folder.files = {"000000.log": text[:cut], "000001.log": text[cut:]}
        assert Segments(folder, "dbfs:/logs/17/a").read() == ["größe ✓"]


def test_the_end_brings_the_last_line_even_without_an_end_of_line(folder: Folder, log: Segments) -> None:
    folder.files = {"000000.log": b"one\nlast"}
    assert log.read() == ["one"]
    folder.files["_END"] = b"SUCCESS"
    assert log.read() == ["last"]
    assert log.ended


def test_a_lost_connection_loses_and_doubles_nothing(folder: Folder, log: Segments) -> None:
    folder.files = {"000000.log": b"one\ntwo ", "000001.log": b"halves\nthree\n"}
    folder.broken = {"000001.log"}
    with pytest.raises(UnreachableError):
        log.read()
    assert log.read() == ["one", "two halves", "three"]


def test_a_progress_bar_leaves_its_last_drawing(folder: Folder, log: Segments) -> None:
    folder.files = {"000000.log": b"10%\r50%\r100%\ndone\r\n"}
    assert log.read() == ["100%", "done"]


def test_a_secret_that_is_drawn_over_does_not_show_its_end(
    folder: Folder, log: Segments, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redaction, "_known", set())
    monkeypatch.setattr(redaction, "_pattern", None)
    redaction.register("s3cret-value")
    folder.files = {"000000.log": b"a s3c\rret-value\n"}
    assert log.read() == [f"a {redaction.MASK}"]


def test_a_million_lines_are_read_in_passing(folder: Folder, log: Segments) -> None:
    chunk = b"".join(b"line %d\n" % number for number in range(10_000))
    folder.files = {f"{number:06d}.log": chunk for number in range(100)}
    lines = [line for some in log.all() for line in some]
    assert len(lines) == 1_000_000
    assert lines[-1] == "line 9999"


def test_a_long_past_is_caught_up_with_some_segments_at_a_time(folder: Folder, log: Segments) -> None:
    past = 2 * segments.PER_LOOK + 5
    folder.files = {f"{number:06d}.log": f"line {number}\n".encode() for number in range(past)} | {"_END": b"SUCCESS"}
    looks = []
    while not log.ended:
        looks.append(log.read())
    assert [len(lines) for lines in looks] == [segments.PER_LOOK, segments.PER_LOOK, 5]
    assert [line for lines in looks for line in lines] == [f"line {number}" for number in range(past)]
    assert folder.listed == 1, "what is known to be there need not be listed again"
    assert not log.behind


def test_a_connection_lost_in_the_middle_of_many_segments_loses_and_doubles_nothing(
    folder: Folder, log: Segments
) -> None:
    past = segments.PER_LOOK + 10
    folder.files = {f"{number:06d}.log": f"line {number}\n".encode() for number in range(past)}
    folder.broken = {"000007.log", "000020.log"}
    lines = []
    for _ in range(5):
        try:
            lines += log.read()
        except UnreachableError:
            continue
    assert lines == [f"line {number}" for number in range(past)]


def test_a_long_folder_is_seldom_listed_and_its_lines_come_all_the_same(
    folder: Folder, log: Segments, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SimpleNamespace(monotonic=lambda: 1000.0)
    monkeypatch.setattr(segments, "time", clock)
    folder.files = {f"{number:06d}.log": b"old\n" for number in range(segments.LONG + 1)}
    for _ in log.all():
        pass
    folder.listed = 0
    for number in range(segments.LONG + 1, segments.LONG + 11):
        folder.files[f"{number:06d}.log"] = f"{number} half".encode()
        assert log.read() == ([f"{number - 1} half done"] if number > segments.LONG + 1 else [])
        folder.files[f"{number:06d}.log"] += b" done\n"
        assert log.read() == []
    assert folder.listed == 0
    folder.files["_END"] = b"SUCCESS"
    assert log.read() == []
    assert not log.ended
    clock.monotonic = lambda: 1000.0 + segments.LIST_EVERY
    assert log.read() == [f"{segments.LONG + 10} half done"]
    assert log.ended


def test_a_segment_that_could_not_be_written_costs_no_other(folder: Folder, log: Segments) -> None:
    folder.files = {"000000.log": b"one\n", "000002.log": b"three\n"}
    assert log.read() == ["one"], "000001 may still come"
    folder.files["_END"] = b"SUCCESS"
    assert log.read() == ["three"]
    assert log.ended


def test_the_end_is_not_believed_before_everything_listed_is_read(folder: Folder, log: Segments) -> None:
    folder.files = {"000000.log": b"one\n", "000001.log": b"two\n", "_END": b"SUCCESS"}
    folder.hidden = {"000001.log"}
    assert log.read() == ["one"]
    assert not log.ended
    folder.hidden = set()
    assert log.read() == ["two"]
    assert log.ended
