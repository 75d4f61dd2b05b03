"""A sandbox that nobody uses stops by itself."""

from __future__ import annotations

import time
from pathlib import Path

from mlops_tui.sandbox.idle import is_idle
from mlops_tui.sandbox.sandbox import Sandbox


def test_idle_is_no_request_for_long_and_no_run_under_way(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path, "https://localhost:1")
    try:
        assert not is_idle(sandbox, 3600)
        sandbox.requests.last_at = time.time() - 3601
        assert is_idle(sandbox, 3600)
        sandbox.store.put("run", "1", {"life": "RUNNING"})
        assert not is_idle(sandbox, 3600)
        sandbox.store.put("run", "1", {"life": "TERMINATED"})
        assert is_idle(sandbox, 3600)
        sandbox.requests.add("GET", "/", 200, "", 0.0, "")
        assert not is_idle(sandbox, 3600)
    finally:
        sandbox.requests.close()
        sandbox.store.close()
