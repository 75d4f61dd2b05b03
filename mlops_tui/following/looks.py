"""One look after the other at what runs elsewhere: often while it moves, seldom while it does not."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from mlops_tui.errors import Interrupted, ThrottledError, UnreachableError
from mlops_tui.following.outage import Outage

SLOWER = 1.5  # times longer is each pause in which nothing has moved


class News(Enum):
    """What a look has brought."""

    NONE = "nothing has moved"
    SOME = "something has moved"
    MORE = "more is there already: to be looked at now"
    END = "it has ended"


@dataclass(frozen=True)
class Pace:
    """Seconds between looks: while things move, and at most."""

    quick: float
    slow: float


def look_until_end(
    look: Callable[[], News],
    pace: Pace,
    outage: Outage,
    cancelled: threading.Event,
    left: Callable[[], Interrupted],
) -> None:
    """Raises UnreachableError when the connection stays lost, and what `left` says once `cancelled` is set.

    A look that is lost half-way is repeated: it must lose and double nothing.
    """
    pause = pace.quick
    while True:
        news = _look_over_outages(look, outage)
        if news is News.END:
            return
        pause = pace.quick if news in (News.SOME, News.MORE) else min(pause * SLOWER, pace.slow)
        if cancelled.wait(0.0 if news is News.MORE else pause):
            raise left()


def _look_over_outages(look: Callable[[], News], outage: Outage) -> News | None:
    """None while the connection is lost."""
    try:
        news = look()
    except (UnreachableError, ThrottledError) as error:
        outage.ride_out(error)
        return None
    outage.over()
    return news
