"""Log lines of runs on disk: whole, plain, private, soon there, and with no secret in them."""

from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops_tui import redaction, spool
from mlops_tui.events import Level, LogLine
from mlops_tui.spool import Spool, log_file, prune

RUN = "alpha=0.5,l1_ratio=0.5"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "logs"


@pytest.fixture
def warnings() -> list[str]:
    return []


@pytest.fixture
def open_spool(folder: Path, warnings: list[str]) -> Iterator[Spool]:
    made = Spool(folder, warnings.append)
    yield made
    made.close()


def lines_of(folder: Path, source: str = "") -> list[str]:
    text = log_file(folder, source).read_text("utf-8")
    assert text == "" or text.endswith("\n")
    return text.split("\n")[:-1]


def said(text: str, source: str = RUN, level: Level = "info") -> LogLine:
    return LogLine(source=source, text=text, level=level)


def test_a_line_stands_in_the_log_of_all_and_in_its_runs_own(open_spool: Spool, folder: Path) -> None:
    open_spool.write(said("epoch 1"))
    open_spool.write(said("the cluster is starting", "cluster"))
    open_spool.write(said("another run is under way", "train", "warning"))
    open_spool.write(said("it broke", level="error"))
    open_spool.close()
    assert lines_of(folder) == [
        f"i {RUN} │ epoch 1",
        "i cluster │ the cluster is starting",
        "w train │ another run is under way",
        f"e {RUN} │ it broke",
    ]
    assert lines_of(folder, RUN) == ["i epoch 1", "e it broke"]
    assert [file.name for file in (folder / "runs").iterdir()] == [f"{RUN}.log"]


def test_a_line_can_be_read_while_the_run_goes_on(open_spool: Spool, folder: Path) -> None:
    assert lines_of(folder) == [], "there from the beginning, for whoever wants to follow it"
    open_spool.write(said("epoch 1"))
    deadline = time.monotonic() + 5
    while not lines_of(folder):
        assert time.monotonic() < deadline, "it is not on disk"
        time.sleep(0.005)
    assert lines_of(folder, RUN) == ["i epoch 1"]


def test_files_and_folders_are_for_their_owner_alone(open_spool: Spool, folder: Path) -> None:
    open_spool.write(said("x"))
    open_spool.close()
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in [folder, *folder.rglob("*")]}
    assert modes == {"logs": 0o700, "runs": 0o700, "all.log": 0o600, f"{RUN}.log": 0o600}


def test_a_folder_is_begun_anew_and_whoever_reads_the_old_file_keeps_it(folder: Path, warnings: list[str]) -> None:
    first = Spool(folder, warnings.append)
    first.write(said("of the first time"))
    first.close()
    with log_file(folder).open() as reader:
        again = Spool(folder, warnings.append)
        again.write(said("of the second time", "alpha=1,l1_ratio=1"))
        again.close()
        assert "first" in reader.read()
    assert lines_of(folder) == ["i alpha=1,l1_ratio=1 │ of the second time"]
    assert not log_file(folder, RUN).exists()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[1;31mred\x1b[0m and \x1b[4mmore\x1b[m", "red and more"),
        ("\x1b]0;a title\x07text", "text"),
        ("\x1b]8;;https://example.com\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("an end\x1b]0;that never comes", "an end"),
        ("\x9b31mold\x9b0m", "old"),
        ("bell\x07 back\x08 nul\x00 del\x7f esc\x1b", "bell back nul del esc"),
        ("two\nlines\r\nand \u2028more", "two lines and  more"),
        ("a\ttab", "a\ttab"),
        ("Größe 5 µm │ 完了 ✓", "Größe 5 µm │ 完了 ✓"),
        ("safe\u202etxt.exe", "safetxt.exe"),
        ("half a \ud83d pair", "half a  pair"),
        ("", ""),
    ],
)
def test_what_moves_a_terminals_cursor_is_taken_out(open_spool: Spool, folder: Path, text: str, shown: str) -> None:
    open_spool.write(said(text))
    open_spool.close()
    (line,) = lines_of(folder, RUN)
    assert line == f"i {shown}"
    assert lines_of(folder) == [f"i {RUN} │ {shown}"]


def test_a_source_can_neither_leave_its_folder_nor_its_line(open_spool: Spool, folder: Path) -> None:
    open_spool.write(said("x", "../../\x1b[2Jaway\nand on"))
    open_spool.close()
    assert lines_of(folder) == ["i ../../away and on │ x"]
    (file,) = (folder / "runs").iterdir()
    assert "%1B" in file.name


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("2026-11-22 ERROR could not", "e"),
        ("Traceback (most recent call last):", "e"),
        ("ValueError: alpha", "e"),
        ("py4j.protocol.Py4JJavaError: an error", "e"),
        ("requests.ConnectionException: gone", "e"),
        ("CRITICAL: disk", "e"),
        ("FATAL no memory", "e"),
        ("22 WARN TaskSetManager: lost", "w"),
        ("WARNING mlflow", "w"),
        ("lib.py:3: FutureWarning: soon", "w"),
        ("mean absolute error 0.6", "i"),
        ("TERRORS and FORWARDS", "i"),
        ("errors: 0", "i"),
        ("\x1b[31mERROR\x1b[0m in colour", "e"),
    ],
)
def test_the_level_is_known_by_the_usual_words(open_spool: Spool, folder: Path, text: str, letter: str) -> None:
    open_spool.write(said(text))
    open_spool.close()
    assert lines_of(folder, RUN)[0][0] == letter


def test_no_secret_reaches_the_disk(open_spool: Spool, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redaction, "_known", set())
    monkeypatch.setattr(redaction, "_pattern", None)
    redaction.register("s3cret-value", "of two\nlines")
    open_spool.write(said("the secret is s3cret-value."))
    open_spool.write(said("in colour: s3cr\x1b[1met-value"))
    open_spool.write(said("of two"))
    open_spool.write(said("lines that are harmless"))
    open_spool.write(said("all of two\nlines"))
    open_spool.write(said("end"))
    open_spool.close()
    assert lines_of(folder, RUN) == [
        "i the secret is [REDACTED].",
        "i in colour: [REDACTED]",
        "i of two",
        "i lines that are harmless",
        "i all [REDACTED]",
        "i end",
    ]


def test_many_threads_lose_and_mix_nothing(open_spool: Spool, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "MOST_WAITING", 500)
    names = [f"alpha=0.{number},l1_ratio=0.5" for number in range(1, 5)]

    def run(name: str) -> None:
        for number in range(5_000):
            open_spool.write(said(f"{name} says {number}", name))

    threads = [threading.Thread(target=run, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    open_spool.close()
    for name in names:
        assert lines_of(folder, name) == [f"i {name} says {number}" for number in range(5_000)]
    everything = lines_of(folder)
    assert len(everything) == 20_000
    for name in names:
        own = [line.partition(" │ ")[2] for line in everything if line.startswith(f"i {name} │ ")]
        assert own == [f"{name} says {number}" for number in range(5_000)]


def test_a_full_disk_is_told_once_and_the_work_goes_on(
    open_spool: Spool, folder: Path, warnings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, os.strerror(28))

    open_spool.write(said("before"))
    open_spool.flush()
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        for number in range(3):
            open_spool.write(said(f"line {number}"))
            open_spool.flush()
    open_spool.close()
    (warning,) = warnings
    assert "No space left on device" in warning
    assert lines_of(folder) == [f"i {RUN} │ before"]


def test_a_disk_that_takes_half_a_piece_gets_the_other_half(
    open_spool: Spool, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:7]))
    open_spool.write(said("a line that is longer than seven"))
    open_spool.close()
    assert lines_of(folder, RUN) == ["i a line that is longer than seven"]


def test_a_folder_that_cannot_be_made_is_an_error_at_once(tmp_path: Path, warnings: list[str]) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        Spool(tmp_path / "file" / "logs", warnings.append)


def test_of_a_hundred_thousand_lines_none_is_lost(open_spool: Spool, folder: Path) -> None:
    for number in range(100_000):
        open_spool.write(said(f"2026-11-22 05:14:00 INFO epoch {number} loss={number / 7:.4f}"))
    open_spool.close()
    assert len(lines_of(folder)) == 100_000


def test_old_spools_go_and_nothing_else_does(tmp_path: Path) -> None:
    place = tmp_path / "logs"
    for number in range(5):
        Spool(place / f"{number}", lambda _: None).close()
        os.utime(log_file(place / f"{number}"), (number, number))
    (place / "photos").mkdir()
    (place / "photos" / "all.txt").write_text("not a log")
    prune(place, keep=2)
    assert sorted(path.name for path in place.iterdir()) == ["3", "4", "photos"]
    prune(tmp_path / "nowhere")
