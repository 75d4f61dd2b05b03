"""Keeps what a connection is told, so that a real session can be told again (see `retold`)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlops_tui.events import Event, Level, LogLine, to_json
from mlops_tui.spool import MARK, log_file
from mlops_tui.tui.connection import Connection, OnEvent, Request

LEVEL_OF: dict[str, Level] = {"i": "info", "w": "warning", "e": "error"}
JOBS = ("apply", "train", "build", "deploy", "validate", "rollback", "ci_run")  # what is there is another after each


class Recording:
    """A Connection that passes everything on. `save` writes a file for each kind of request in each chapter.

    A chapter ends with a job. Of what is asked more than once in a chapter, the last answer is kept.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._told: dict[str, list[Event]] = {}
        self._chapter = 0

    @property
    def on_stray(self) -> OnEvent:
        return self._connection.on_stray

    @on_stray.setter
    def on_stray(self, handler: OnEvent) -> None:
        self._connection.on_stray = handler

    def send(self, do: str, on_event: OnEvent, on_end: Callable[[int], None], **arguments: Any) -> Request:
        told = self._told[in_chapter(self._chapter, kind_of(do, arguments))] = []

        def keep(event: Event) -> None:
            told.append(event)
            on_event(event)

        def end(exit_code: int) -> None:
            if arguments.get("logs"):
                told[:0] = _lines(Path(arguments["logs"]))
            self._chapter += do in JOBS
            on_end(exit_code)

        return self._connection.send(do, keep, end, **arguments)

    def cancel(self, request: Request) -> None:
        self._connection.cancel(request)

    def close(self) -> None:
        self._connection.close()

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("*.jsonl"):
            old.unlink()
        for name, events in self._told.items():
            text = "".join(json.dumps(to_json(event), ensure_ascii=False) + "\n" for event in events)
            (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")


def kind_of(do: str, arguments: Any) -> str:
    """What is asked for; of a single run, which."""
    return f"{do}-{arguments['run_id']}" if "run_id" in arguments else do


def in_chapter(chapter: int, kind: str) -> str:
    """A file's name: "03-images"."""
    return f"{chapter:02d}-{kind}"


def _lines(folder: Path) -> list[LogLine]:
    """What the worker wrote to the log files in place of telling it."""
    path = log_file(folder)
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        source, _, text = line[MARK:].partition(" │ ")
        lines.append(LogLine(source=source, text=text, level=LEVEL_OF[line[0]]))
    return lines
