"""How soon the app is there, and how soon it answers to keys while its worker loads the SDKs.

python -m tests.bench_app
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from tests.pty_app import PtyApp

MLOPS_TUI = str(Path(sys.executable).with_name("mlops-tui"))
ROUNDS = 9
GAP_SECONDS = 0.06  # between two keys, about as fast as a held key repeats
MOUNT_SECONDS = 0.2  # the screen itself is still being put together so long
EMPTY = """
from textual.app import App
from textual.widgets import Static
class Empty(App):
    def compose(self):
        yield Static("Hello")
Empty().run()
"""


def first_texts(environment: Mapping[str, str], folder: Path) -> tuple[float, float]:
    """Median seconds until the app's first text, and until that of an empty Textual app; measured in turn."""
    ours, theirs = [], []
    for _ in range(ROUNDS + 1):
        theirs.append(_first_text([sys.executable, "-c", EMPTY], "Hello", environment, folder))
        ours.append(_first_text([MLOPS_TUI], "Practice on this machine", environment, folder))
    return statistics.median(ours[1:]), statistics.median(theirs[1:])  # the first of each fills the disk's cache


def _first_text(command: list[str], text: str, environment: Mapping[str, str], folder: Path) -> float:
    with PtyApp(command, environment, folder, 120, 40) as app:
        return app.wait(text, 30) - app.started


def keys_at_the_start(environment: Mapping[str, str], folder: Path) -> tuple[list[float], list[float]]:
    """Seconds from a key to the list's cursor on its new line: while the worker loads the SDKs, and when it is done.

    From the steps' coming to the plan's, the worker imports the SDKs and looks at the cloud, which must be up.
    """
    with PtyApp([MLOPS_TUI], environment, folder, 120, 40) as app:
        app.wait("Practice on this machine")
        app.press("enter")
        app.wait("What and why")
        app.settle(MOUNT_SECONDS)
        loading: list[float] = []
        while "to make ·" not in app.text and "Everything is set up" not in app.text:
            loading.append(_move(app, len(loading)))
        app.settle(1)
        idle = [_move(app, number) for number in range(len(loading), len(loading) + 24)]
        return loading, idle


def _move(app: PtyApp, number: int) -> float:
    """One key: down the list of steps and up again."""
    before = _cursor(app.text)
    pressed = time.perf_counter()
    app.press("down" if number % 12 < 6 else "up")
    seen = app.wait(lambda text: _cursor(text) != before, 10)
    app.settle(GAP_SECONDS)
    return seen - pressed


def _cursor(text: str) -> list[int]:
    """The lines that the cursor's bar stands on."""
    return [number for number, line in enumerate(text.splitlines()) if line.startswith("│█")]


def _told(what: str, seconds: list[float]) -> str:
    late = sorted(seconds)[int(0.95 * (len(seconds) - 1))]
    return f"{len(seconds)} keys {what}: median {statistics.median(seconds) * 1000:.1f} ms, p95 {late * 1000:.1f} ms"


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="mlops-tui-bench-") as name:
        folder = Path(name)
        environment = {**os.environ, "MLOPS_TUI_HOME": str(folder / "data")}
        ours, theirs = first_texts(environment, folder)
        print(f"first text: {ours:.3f} s, of an empty Textual app {theirs:.3f} s: {ours / theirs:.2f}")
        try:
            subprocess.run([MLOPS_TUI, "sandbox", "start"], env=environment, check=True, capture_output=True)
            rounds = [keys_at_the_start(environment, folder) for _ in range(3)]
        finally:
            subprocess.run([MLOPS_TUI, "sandbox", "stop"], env=environment, check=True, capture_output=True)
        print(_told("while the SDKs load", [second for loading, _ in rounds for second in loading]))
        print(_told("afterwards", [second for _, idle in rounds for second in idle]))


if __name__ == "__main__":
    main()
