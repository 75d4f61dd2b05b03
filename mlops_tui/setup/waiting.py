"""Waiting for a cloud: for long operations, with signs of life, and for news to get around."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Protocol, TypeVar

from mlops_tui.errors import CloudError, Interrupted, NotFoundError

if TYPE_CHECKING:
    from mlops_tui.session import Session
    from mlops_tui.steps import Report

LOOK_SECONDS = 0.5  # between looks at whether we were told to stop
TELL_SECONDS = 15.0  # between lines of the log
STATE_SECONDS = 1800.0
STATE_PAUSE = 5.0  # between looks, where the cloud names no time
NEWS_SECONDS = 60.0  # how long Azure may take to hear everywhere of what was just made
NEWS_PAUSE = 3.0

AResult = TypeVar("AResult", covariant=True)


class Operation(Protocol[AResult]):
    """What takes its time in the cloud (see `clouds.long_operation`)."""

    @property
    def status(self) -> str: ...

    def wait(self, seconds: float) -> bool: ...

    def result(self) -> AResult: ...


def finish(session: Session, report: Report, operation: Operation[AResult], what: str) -> AResult:
    """Wait for the end, saying now and then how it stands. Raises Interrupted when told to stop: the cloud goes on."""
    started = told = time.monotonic()
    while not operation.wait(LOOK_SECONDS):
        stop_if_cancelled(session, what)
        now = time.monotonic()
        if now - told >= TELL_SECONDS:
            told = now
            report.log(f"{what}: {operation.status or 'in progress'} ({now - started:.0f} s)")
    return operation.result()


def until_state(session: Session, report: Report, look: Callable[[], str], ends: Collection[str], what: str) -> str:
    """Look until the state is one of `ends`, telling now and then how it stands. Raises CloudError in the end."""
    started = told = time.monotonic()
    while (state := look()) not in ends:
        now = time.monotonic()
        if now - started > STATE_SECONDS:
            hint = "Look at it in the portal, then run the same command again."
            raise CloudError(f"{what}: still {state} after {STATE_SECONDS / 60:.0f} minutes.", hint=hint)
        if now - told >= TELL_SECONDS:
            told = now
            report.log(f"{what}: {state} ({now - started:.0f} s)")
        session.cancelled.wait(session.cloud.poll_seconds or STATE_PAUSE)
        stop_if_cancelled(session, what)
    return state


def until_heard_of(session: Session, report: Report, act: Callable[[], AResult], what: str) -> AResult:
    """`act`, again and again while the service has not heard yet of what `act` refers to (NotFoundError)."""
    deadline = time.monotonic() + NEWS_SECONDS
    while True:
        try:
            return act()
        except NotFoundError as error:
            if time.monotonic() + NEWS_PAUSE > deadline:
                raise
            report.log(f"{what}: not known everywhere yet, trying again ({error.code or 'not found'})")
        session.cancelled.wait(NEWS_PAUSE)
        stop_if_cancelled(session, what)


def stop_if_cancelled(session: Session, what: str) -> None:
    if session.cancelled.is_set():
        raise Interrupted(f"Interrupted at {what}; what was begun goes on in the cloud.")
