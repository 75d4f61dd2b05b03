"""Log lines of runs on disk, where whoever shows them reads just what is on the screen: a million lines need no memory.

    <folder>/all.log          w alpha=0.5,l1_ratio=0.5 │ the rest of the line
    <folder>/runs/<name>.log  w the rest of the line

The first letter is the level: i, w or e (info, warning, error). Files are UTF-8, only grow, and are private.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from urllib.parse import quote

from mlops_tui.events import Level, LogLine
from mlops_tui.redaction import redact

LEVELS = {"info": "i", "warning": "w", "error": "e"}
MARK = 2  # characters before the text: the level's letter and a blank
FLUSH_SECONDS = 0.05
KEPT = 30  # spools; the cloud has the logs of all runs
MOST_WAITING = 20_000  # lines; then whoever brings one more writes them all, so that the memory does not grow
NO_RUNS = ("train", "cluster", "journal", "pipeline")  # sources that are no runs

_ESCAPE = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # colours, cursor: CSI
    r"|\x1b[\]PX^_].*?(?:\x07|\x1b\\|\x9c|$)"  # titles, links, data: OSC, DCS, SOS, PM, APC
    r"|\x9b[0-?]*[ -/]*[@-~]"  # CSI as one character
    r"|\x1b[ -/]*[0-~]?",
    re.DOTALL,
)
_LINE_END = re.compile("[\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]+")
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_ERROR = re.compile(r"\b(?:ERROR|CRITICAL|FATAL)\b|\bTraceback\b|\w(?:Error|Exception):|\bError:")
_WARNING = re.compile(r"\bWARN(?:ING)?\b|Warning:")


def log_file(folder: Path, source: str = "") -> Path:
    """Where the lines of `source` (a run's name) stand; of all of them, where none is named."""
    return folder / "runs" / f"{quote(source, safe='=,.')}.log" if source else folder / "all.log"


def level_in(text: str) -> Level:
    """A notebook prints its errors and warnings as any other line: known by their usual words."""
    # Looking for plain words takes a tenth of the time that the patterns take, and hardly any line has one.
    if ("rror" in text or "ERROR" in text or "Trace" in text or "xception:" in text) and _ERROR.search(text):
        return "error"
    if ("CRITICAL" in text or "FATAL" in text) and _ERROR.search(text):
        return "error"
    if ("WARN" in text or "Warning:" in text) and _WARNING.search(text):
        return "warning"
    return "info"


def plain(text: str) -> str:
    """One line, without what would move a terminal's cursor or hide something; tabs stay."""
    text = _ESCAPE.sub("", text)
    return text if text.isprintable() else _CONTROL.sub("", _LINE_END.sub(" ", text))


def prune(place: Path, keep: int = KEPT) -> None:
    """Of the folders of spools at `place`, leave the ones written to last. What is no spool is not touched."""
    ages = {}
    for folder in place.iterdir() if place.is_dir() else ():
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):  # no spool, or pruned by another just now
            ages[folder] = log_file(folder).stat().st_mtime
    for folder in sorted(ages, key=lambda each: ages[each])[: -keep or None]:
        shutil.rmtree(folder, ignore_errors=True)  # what cannot be removed now can be next time


class Spool:
    """Takes log lines from any thread, and has them on disk at most FLUSH_SECONDS later. Begins the folder anew.

    A disk that takes no more is told once, by `warn`; the lines after that are lost, and the work goes on.
    """

    def __init__(self, folder: Path, warn: Callable[[str], None]) -> None:
        """Raises OSError where the folder cannot be made or written."""
        self.folder = folder
        self._warn = warn
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        (folder / "runs").mkdir(exist_ok=True, mode=0o700)
        for old in [log_file(folder), *(folder / "runs").glob("*.log")]:
            old.unlink(missing_ok=True)
        self._files: dict[str, int] = {"": _created(log_file(folder))}  # descriptors by source
        self._waiting: list[LogLine] = []
        self._filling = threading.Lock()
        self._writing = threading.Lock()
        self._filled, self._closed = threading.Event(), threading.Event()
        self._broken = False
        self._flusher = threading.Thread(target=self._flush_often, name="spool", daemon=True)
        self._flusher.start()

    def write(self, line: LogLine) -> None:
        with self._filling:
            self._waiting.append(line)
            count = len(self._waiting)
        if count == 1:
            self._filled.set()
        elif count >= MOST_WAITING:
            self.flush()

    def flush(self) -> None:
        """All that was written so far is on disk when this returns."""
        with self._writing:
            with self._filling:
                lines, self._waiting = self._waiting, []
            if lines and not self._broken:
                try:
                    self._put(lines)
                except OSError as error:
                    self._broken = True
                    self._warn(f"the log lines of runs cannot be kept any more ({error.strerror}); the runs go on")

    def close(self) -> None:
        """Flush and end; safe to call twice."""
        self._closed.set()
        self._filled.set()
        self._flusher.join()
        self.flush()
        with self._writing:
            for descriptor in self._files.values():
                os.close(descriptor)
            self._files.clear()

    def _flush_often(self) -> None:
        while not self._closed.is_set():
            self._filled.wait()
            self._closed.wait(FLUSH_SECONDS)
            self._filled.clear()
            self.flush()

    def _put(self, lines: list[LogLine]) -> None:
        texts = _plain_texts(lines)
        heads: dict[str, str] = {}
        everything: list[str] = []
        by_run: dict[str, list[str]] = {}
        for line, text in zip(lines, texts, strict=True):
            source, letter = line.source, LEVELS[level_in(text) if line.level == "info" else line.level]
            head = heads.get(source)
            if head is None:
                head = heads[source] = f" {redact(plain(source))} │ "
            everything.append(f"{letter}{head}{text}\n")
            if source not in NO_RUNS:
                by_run.setdefault(source, []).append(f"{letter} {text}\n")
        self._append("", everything)
        for source, own in by_run.items():
            self._append(source, own)

    def _append(self, source: str, lines: Iterable[str]) -> None:
        descriptor = self._files.get(source)
        if descriptor is None:
            descriptor = self._files[source] = _created(log_file(self.folder, source))
        data = memoryview("".join(lines).encode("utf-8", "backslashreplace"))
        while data:
            data = data[os.write(descriptor, data) :]


def _plain_texts(lines: list[LogLine]) -> list[str]:
    """The text of each, fit for a file, with no secret in it: searched for all at once, which is far quicker.

    What is not plain is searched before, too: there are secrets of several lines.
    """
    texts = [line.text if line.text.isprintable() else plain(redact(line.text)) for line in lines]
    cleaned = redact("\n".join(texts)).split("\n")
    return cleaned if len(cleaned) == len(texts) else [redact(text) for text in texts]


def _created(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_NOFOLLOW, 0o600)
