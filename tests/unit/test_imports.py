"""What is imported when: the command line must answer at once, and SDKs come in when a cloud is called."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {"azure", "databricks", "httpx", "mlflow", "msal", "requests", "rich", "textual"}
# These two say in their first line that they import an SDK, and are imported inside functions alone.
SPEAK_SDK = {f"mlops_tui.clouds.{name}" for name in ("careful_retry", "databricks_client", "databricks_transport")}
CALL = """
import atexit, json, sys
from pathlib import Path
atexit.register(lambda: Path(sys.argv.pop()).write_text(json.dumps(sorted(sys.modules))))
from mlops_tui.cli import main
main(sys.argv[1:-1])
"""
IMPORT = """
import importlib, json, pkgutil, sys
import mlops_tui.clouds, mlops_tui.opening, mlops_tui.operations, mlops_tui.session, mlops_tui.setup, mlops_tui.training
skipped = set(sys.argv[2:])
for found in pkgutil.iter_modules(mlops_tui.clouds.__path__, "mlops_tui.clouds."):
    if found.name not in skipped:
        importlib.import_module(found.name)
open(sys.argv[1], "w").write(json.dumps(sorted(sys.modules)))
"""


def packages_after(code: str, folder: Path, *arguments: str) -> set[str]:
    """The top-level packages that a fresh interpreter has imported at its end."""
    told = folder / "modules.json"
    place = [str(told), *arguments] if code is IMPORT else [*arguments, str(told)]
    done = subprocess.run(
        [sys.executable, "-c", code, *place], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return {name.partition(".")[0] for name in json.loads(told.read_text())}


@pytest.mark.parametrize(
    "arguments",
    [("--help",), ("--version",), ("up", "--help"), ("sandbox", "--help"), ("config",), ("init",)],
    ids=" ".join,
)
def test_what_calls_no_cloud_imports_nothing_heavy(
    arguments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLOPS_TUI_HOME", str(tmp_path / "home"))
    assert packages_after(CALL, tmp_path, *arguments) & HEAVY == set()


def test_no_sdk_is_imported_before_a_cloud_is_called(tmp_path: Path) -> None:
    assert packages_after(IMPORT, tmp_path, *SPEAK_SDK) & HEAVY == set()
