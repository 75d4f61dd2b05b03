"""Import the Databricks SDK once, on one thread.

Its package imports its parts and these the package: two threads that begin at different ends block each other
(importlib's _DeadlockError). So nobody imports a part before this has imported the whole.
"""

from __future__ import annotations

import threading

_lock = threading.Lock()


def databricks_sdk() -> None:
    """Returns when it is imported, which takes about a second the first time."""
    with _lock:
        import databricks.sdk  # noqa: F401


def in_background() -> None:
    """Begin, while other calls are waited for."""
    threading.Thread(target=databricks_sdk, name="preload", daemon=True).start()
