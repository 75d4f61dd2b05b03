"""A long-running operation of Azure Resource Manager, to be waited for in small pieces."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from mlops_tui.clouds.translate import speaking_of

if TYPE_CHECKING:
    from azure.core.polling import LROPoller

AResult = TypeVar("AResult")


class LongOperation(Generic[AResult]):
    """The SDK polls in a thread of its own, which ends with the process: the operation itself goes on in the cloud."""

    def __init__(self, poller: LROPoller[Any], what: str, read: Callable[[Any], AResult]) -> None:
        self._poller = poller
        self._what = what
        self._read = read

    def wait(self, seconds: float) -> bool:
        """Whether it has ended, well or badly, within that time."""
        with speaking_of(self._what):
            self._poller.wait(seconds)
            return bool(self._poller.done())

    @property
    def status(self) -> str:
        """The service's word for where it stands: "InProgress", "Succeeded"."""
        return str(self._poller.status())

    def result(self) -> AResult:
        """What came of it; waits for the end. Raises the errors of `translate`."""
        with speaking_of(self._what):
            return self._read(self._poller.result())
