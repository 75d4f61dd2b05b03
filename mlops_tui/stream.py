"""Work on one thread, its events on another: the reader iterates, and may be interrupted and go on reading."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import TypeVar

from mlops_tui.events import Event
from mlops_tui.steps import Emit

T = TypeVar("T")
_END = object()
MOST_WAITING = 10_000  # events; a reader that is slower makes the work wait, not the memory grow


class Stream:
    """Runs `work(emit)` and yields what it emits. `result` is there once the iteration has ended.

    A defect in `work` is raised to the reader when all events before it have been read.
    """

    def __init__(self, work: Callable[[Emit], int]) -> None:
        self._queue: queue.Queue[object] = queue.Queue(MOST_WAITING)
        self._defect: BaseException | None = None
        self.result = 1
        self._thread = threading.Thread(target=self._run, args=(work,), name="work", daemon=True)

    def __iter__(self) -> Iterator[Event]:
        """The first call begins the work. After an interruption a further call goes on where the reader stopped."""
        if self._thread.ident is None:
            self._thread.start()
        while (item := self._queue.get()) is not _END:
            if isinstance(item, Event):
                yield item
            elif callable(item):
                item()
        self._queue.put(_END)
        if self._defect is not None:
            raise self._defect

    def on_reader(self, ask: Callable[[], T]) -> T:
        """For the work: run `ask` on the reader's thread, after all that was emitted before; its answer."""
        answer: Future[T] = Future()

        def run() -> None:
            try:
                answer.set_result(ask())
            except BaseException as error:
                answer.set_exception(error)
                raise

        self._queue.put(run)
        return answer.result()

    def _run(self, work: Callable[[Emit], int]) -> None:
        try:
            self.result = work(self._queue.put)
        except BaseException as defect:  # noqa: BLE001 (raised again on the reader's thread)
            self._defect = defect
        finally:
            self._queue.put(_END)
