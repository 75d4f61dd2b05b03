"""When an app under test has nothing left to do.

After each key Textual's pilot waits, twice, until the process has slept through 20 ms: most of the time that a story of
the screens takes. What keeps an app from being idle is known, and asked for here instead.
"""

from __future__ import annotations

import asyncio
from time import process_time
from typing import Any

from textual._context import active_app

LOOK = 1 / 250  # seconds between two looks
AT_REST = 1 / 10  # of a processor, at most, is used in between: threads work, too


async def wait_for_idle(min_sleep: float = 1 / 50, max_sleep: float = 1) -> None:
    """In place of `textual._wait.wait_for_idle`, with its arguments: seconds, at least and at most."""
    loop: Any = asyncio.get_running_loop()
    started = loop.time()
    while (now := loop.time()) - started < max_sleep:
        used = process_time()
        await asyncio.sleep(LOOK)
        at_rest = process_time() - used < AT_REST * LOOK
        if at_rest and now - started >= min_sleep and not loop._ready and not _owes_something(active_app.get()):
            return


def _owes_something(app: Any) -> bool:
    """Whether it will draw in a moment, or show what it has been told. The ticks of clocks are nothing to wait for."""
    if not app.is_running:
        return False
    return bool(app.screen._update_timer._active.is_set() or app._batch_count or getattr(app, "_changed", ()))
