"""A lost connection while something is followed: ridden out for a while, since what runs goes on without us."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from mlops_tui.errors import MlopsError, UnreachableError

LOST_SECONDS = 60.0  # how long a lost connection is ridden out
LOST_LOCAL_SECONDS = 10.0  # on this machine nobody answering means that nobody is there
Say = Callable[[str, bool], None]  # a text, and whether it is a warning


@dataclass(frozen=True)
class Followed:
    """What is followed, in words, and how to come back to it."""

    who: str  # answers: "The workspace"
    what: str  # "job run 17"
    page: str  # where it can be seen in a browser; empty: nowhere
    back: str  # the command that follows it again
    local: bool  # it runs in the practice cloud


class Outage:
    """Of one thing that is followed."""

    def __init__(self, followed: Followed, say: Say) -> None:
        self._followed = followed
        self._say = say
        self._since: float | None = None

    def over(self) -> None:
        """Somebody has answered."""
        if self._since is not None:
            self._say("the connection is back", False)
            self._since = None

    def ride_out(self, error: MlopsError) -> None:
        """Raises UnreachableError where nobody has answered for too long."""
        now = time.monotonic()
        if self._since is None:
            self._since = now
        lost = now - self._since
        most = LOST_LOCAL_SECONDS if self._followed.local else LOST_SECONDS
        if isinstance(error, UnreachableError) and lost >= most:
            raise self._gone(error, lost) from error
        self._say(f"{error.message} Trying again; what runs goes on without us ({lost:.0f} s).", True)

    def _gone(self, error: UnreachableError, lost: float) -> UnreachableError:
        one = self._followed
        if one.local:
            hint = (
                "The practice cloud has stopped, and what was at work in it has ended. How far it came tells "
                f"{one.back}; or run the same command again. Either starts the practice cloud."
            )
        else:
            hint = f"What runs goes on without us{f': {one.page}' if one.page else ''}. Come back with: {one.back}"
        return UnreachableError(
            f"{one.who} has not answered for {lost:.0f} s, in the middle of {one.what}.",
            hint=hint,
            raw=error.raw or error.message,
        )


def of_job_run(host: str, run_id: int, page: str, say: Say) -> Outage:
    """While a job run of the Databricks workspace at `host` is followed."""
    back = f"mlops-tui logs {run_id} --follow"
    local = host.startswith("https://localhost")
    return Outage(Followed("The workspace", f"job run {run_id}", page, back, local), say)
