"""make screenshots: screenshots/*.svg from a real session in a practice cloud of its own.

The session is the story that the tests tell again (tests/tui/story.py); what it was told is kept for them.
"""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from mlops_tui.tui.app import MlopsApp
from mlops_tui.tui.connection import WorkerProcess
from tests.tui.recording import Recording
from tests.tui.replay import RECORDED
from tests.tui.story import at_rest, story

FOLDER = Path(__file__).parent.parent / "screenshots"
OWN = ("ARM_", "AZURE_", "DATABRICKS_", "MLOPS_TUI_", "MLFLOW_")
SIZES = {"": (120, 36), "-80x24": (80, 24)}
SMALL = (  # kept at the small size, too
    "opening",
    "setup-plan",
    "training-compared",
    "plots-runs",
    "delivery-champion",
    "delivery-production",
    "pipelines-done",
    "history",
)
PASSING = ("training-running", "delivery-building", "pipelines-running")  # scenes that do not wait


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.glob("*.svg"):
        old.unlink()
    for name in [name for name in os.environ if name.startswith(OWN)]:
        del os.environ[name]
    for suffix, size in SIZES.items():
        with tempfile.TemporaryDirectory(prefix="mlops-tui-screenshots-") as folder:
            os.environ["MLOPS_TUI_HOME"] = folder
            try:
                asyncio.run(session(size, suffix))
            finally:
                stop = [sys.executable, "-m", "mlops_tui", "sandbox", "stop"]
                subprocess.run(stop, check=True, capture_output=True)


async def session(size: tuple[int, int], suffix: str) -> None:
    """Play the story for real, and keep each scene."""
    recordings: list[Recording] = []

    def connect() -> Recording:
        recordings.append(Recording(WorkerProcess()))
        return recordings[0]

    app = MlopsApp(connect=connect)
    async with app.run_test(size=size) as pilot:
        async for scene in story(pilot, live=not suffix):
            if scene not in PASSING:
                await at_rest(pilot)
            if not suffix or scene in SMALL:
                save(app.export_screenshot(title="mlops-tui"), f"{scene}{suffix}")
    recordings[0].save(RECORDED / "story")


def save(svg: str, name: str) -> None:
    """Drawn with whatever monospace font the reader has, not with one fetched from elsewhere."""
    path = FOLDER / f"{name}.svg"
    path.write_text(re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL), encoding="utf-8")
    print(path.relative_to(FOLDER.parent))


if __name__ == "__main__":
    main()
