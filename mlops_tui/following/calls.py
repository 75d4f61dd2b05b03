"""Calls side by side, each with somebody who tells what it brings."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

from mlops_tui.errors import MlopsError

T = TypeVar("T")


class Call(Generic[T]):
    """A call under way, and who tells what it brings."""

    def __init__(self, future: Future[T], teller: Callable[[T], bool]) -> None:
        self._future = future
        self._teller = teller

    def tell(self) -> bool:
        """Wait for it; whether it brought news. Raises what the call raised."""
        return self._teller(self._future.result())


def tell_all(calls: Iterable[Call[Any]]) -> bool:
    """Whether any brought news. What came is told even when one of them failed; then that is raised."""
    failed: list[MlopsError] = []
    moved = False
    for call in calls:
        try:
            moved = call.tell() or moved
        except MlopsError as error:
            failed.append(error)
    if failed:
        raise failed[0]
    return moved
