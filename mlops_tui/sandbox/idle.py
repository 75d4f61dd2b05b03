"""A sandbox that nobody uses stops by itself; everything in it is kept, and the next command starts it again."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from typing import TYPE_CHECKING

from mlops_tui.sandbox.pipelines.model import PIPELINE_RUN
from mlops_tui.sandbox.run_states import OVER

if TYPE_CHECKING:
    from mlops_tui.sandbox.sandbox import Sandbox

AFTER_SECONDS = 4 * 3600.0  # without a request, and with no run under way (one that waits for an approval is kept)
LOOK_SECONDS = 60.0


def is_idle(sandbox: Sandbox, after: float) -> bool:
    quiet = time.time() - sandbox.requests.last_at
    if quiet < after or any(run.get("life") not in OVER for run in sandbox.store.list("run")):
        return False
    return all(run["state"] in ("waiting", "completed") for run in sandbox.store.list(PIPELINE_RUN))


def watch(sandbox: Sandbox) -> None:
    """Look now and then, on a thread of its own, and end this process as `sandbox stop` would."""

    def look() -> None:
        while not is_idle(sandbox, AFTER_SECONDS):
            time.sleep(LOOK_SECONDS)
        logging.getLogger("mlops_tui.sandbox").info("idle: stopping")
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=look, name="idle", daemon=True).start()
