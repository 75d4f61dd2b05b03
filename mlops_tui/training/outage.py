"""A lost connection while a job run is followed: ridden out for a while, since what runs goes on without us."""

from __future__ import annotations

import time
from collections.abc import Callable

from mlops_tui.errors import MlopsError, UnreachableError

LOST_SECONDS = 60.0  # how long a lost connection is ridden out
LOST_LOCAL_SECONDS = 10.0  # on this machine nobody answering means that nobody is there
Say = Callable[[str, bool], None]  # a text, and whether it is a warning


class Outage:
    """Of one job run that is followed."""

    def __init__(self, host: str, run_id: int, url: str, say: Say, back: str) -> None:
        """`back` is the command that follows the run again."""
        self._local = host.startswith("https://localhost")
        self._run_id, self._url, self._back = run_id, url, back
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
        if isinstance(error, UnreachableError) and lost >= (LOST_LOCAL_SECONDS if self._local else LOST_SECONDS):
            raise self._gone(error, lost) from error
        self._say(f"{error.message} Trying again; what runs goes on without us ({lost:.0f} s).", True)

    def _gone(self, error: UnreachableError, lost: float) -> UnreachableError:
        if self._local:
            hint = (
                "The practice cloud has stopped, and its runs with it. Run the same command again: it starts it anew."
            )
        else:
            hint = f"The runs go on in the cloud: {self._url}. Come back with: {self._back}"
        return UnreachableError(
            f"The workspace has not answered for {lost:.0f} s, in the middle of job run {self._run_id}.",
            hint=hint,
            raw=error.raw or error.message,
        )
