"""Faults to order: "the next three POSTs to run-now answer 503", "drop the line after doing the work".

POST   /_sandbox/faults  {"method", "path", "status", "count", "after", "delay", "drop", "retry_after"}
GET    /_sandbox/faults
DELETE /_sandbox/faults
"""

from __future__ import annotations

import re
import threading
from dataclasses import asdict, dataclass
from typing import Any

LONGEST_DELAY = 600  # seconds


@dataclass
class Fault:
    """What shall go wrong, how often."""

    path: str  # a regular expression that the whole path must match
    method: str = ""  # any, where empty
    status: int = 0  # answer this in place of the work; 0: do the work
    count: int = 1  # how many calls it hits
    after: int = 0  # how many matching calls it lets pass first
    delay: float = 0.0  # seconds to wait before anything else
    drop: bool = False  # do the work, then close the connection without an answer
    retry_after: int = 0  # seconds, sent as Retry-After with the status

    def matches(self, method: str, path: str) -> bool:
        return self.method in ("", method) and re.fullmatch(self.path, path) is not None


class Faults:
    """The faults on order; the first that matches is the one that strikes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ordered: list[Fault] = []

    def order(self, wanted: dict[str, Any]) -> Fault:
        """Raises ValueError on a field that is unknown or not what it must be, and on a missing path."""
        try:
            fault = Fault(**wanted)
            _check(fault)
            re.compile(fault.path)
        except (TypeError, re.error) as error:
            raise ValueError(str(error)) from error
        with self._lock:
            self._ordered.append(fault)
        return fault

    def strike(self, method: str, path: str) -> Fault | None:
        """The fault that hits this call, counted down; None in the usual case."""
        with self._lock:
            for fault in self._ordered:
                if not fault.matches(method, path):
                    continue
                if fault.after > 0:
                    fault.after -= 1
                    return None
                fault.count -= 1
                if fault.count <= 0:
                    self._ordered.remove(fault)
                return fault
        return None

    def list(self) -> list[dict[str, Any]]:
        with self._lock:
            return [asdict(fault) for fault in self._ordered]

    def clear(self) -> None:
        with self._lock:
            self._ordered.clear()


def _check(fault: Fault) -> None:
    """A fault that cannot be carried out would break every call that comes after it. Raises ValueError."""
    for name, value in asdict(fault).items():
        kinds = (int, float) if name == "delay" else (type(getattr(Fault, name, "")),)
        if type(value) not in kinds:
            raise ValueError(f"{name} must be of type {kinds[-1].__name__}, not {value!r}.")
    if fault.status and not 400 <= fault.status <= 599:
        raise ValueError(f"status must be an error (400 to 599) or 0, not {fault.status}.")
    if not 0 <= fault.delay <= LONGEST_DELAY or min(fault.count - 1, fault.after, fault.retry_after) < 0:
        raise ValueError(f"count starts at 1, and delay is from 0 to {LONGEST_DELAY} seconds; nothing is negative.")
