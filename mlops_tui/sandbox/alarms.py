"""Things to do later, by key: one thread for all of them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Hashable

log = logging.getLogger("mlops_tui.sandbox")
Action = Callable[[], None]


class Alarms:
    """Setting an alarm again moves it. Actions run one after the other and must be short."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._due: dict[Hashable, tuple[float, Action]] = {}
        self._thread: threading.Thread | None = None
        self._stopped = False

    def set(self, key: Hashable, seconds: float, action: Action) -> None:
        with self._changed:
            self._due[key] = (time.monotonic() + seconds, action)
            if self._thread is None and not self._stopped:
                self._thread = threading.Thread(target=self._work, name="alarms", daemon=True)
                self._thread.start()
            self._changed.notify()

    def clear(self, key: Hashable) -> None:
        with self._changed:
            self._due.pop(key, None)

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify()

    def _work(self) -> None:
        while True:
            with self._changed:
                if self._stopped:
                    return
                if not self._due:
                    self._changed.wait()
                    continue
                key = min(self._due, key=lambda each: self._due[each][0])
                moment, action = self._due[key]
                if (left := moment - time.monotonic()) > 0:
                    self._changed.wait(left)
                    continue
                del self._due[key]
            try:
                action()
            except Exception:  # a defect in one must not silence all that come after it
                log.exception("alarm %s", key)
