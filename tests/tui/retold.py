"""A Connection that tells a recorded session again (see `recording`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mlops_tui.tui.connection import OnEvent, Request
from tests.tui.recording import JOBS, in_chapter, kind_of
from tests.tui.replay import RECORDED, Answer, Replay, recorded


class Retold(Replay):
    """What is asked for is answered as in the same chapter of that session, else as in the last one before it."""

    def __init__(self, session: str) -> None:
        self._names = {path.stem for path in (RECORDED / session).glob("*.jsonl")}
        self._session = session
        self._chapter = 0
        super().__init__({})

    def send(self, do: str, on_event: OnEvent, on_end: Callable[[int], None], **arguments: Any) -> Request:
        kind = kind_of(do, arguments)
        names = (in_chapter(chapter, kind) for chapter in range(self._chapter, -1, -1))
        name = next((name for name in names if name in self._names), "")
        assert name, f"nobody has recorded an answer to {kind!r}"
        self.answers = {**self.answers, kind: [Answer(recorded(f"{self._session}/{name}"))]}

        def end(exit_code: int) -> None:
            self._chapter += do in JOBS
            on_end(exit_code)

        return super().send(do, on_event, end, **arguments)
