"""The app as people use it: a terminal of 80x24, an empty HOME, the keyboard alone, and a real practice cloud."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys.conftest import COMMAND, Home
from tests.pty_app import PtyApp

pytestmark = [pytest.mark.xdist_group("pty"), pytest.mark.timeout(150)]

PARTS, LINES = 60, 5  # of the talkative notebook's log: one part every tenth of a second
TALKATIVE = f"""# Databricks notebook source
import os, time
folder = dbutils.widgets.get("log_path").replace("dbfs:/", "/dbfs/", 1)
os.makedirs(folder, exist_ok=True)
for part in range({PARTS}):
    with open(f"{{folder}}/.part", "w") as file:
        file.writelines(f"line {{part * {LINES} + line}}\\n" for line in range({LINES}))
    os.rename(f"{{folder}}/.part", f"{{folder}}/{{part:06d}}.log")
    time.sleep(0.1)
with open(f"{{folder}}/_END", "w") as file:
    file.write("SUCCESS")
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A home for this module: the first story finds it empty."""
    made = Home(tmp_path_factory.mktemp("pty"))
    try:
        yield made
    finally:
        made.close()


def app(home: Home, columns: int = 80, rows: int = 24, **extra: str) -> PtyApp:
    return PtyApp(COMMAND, home.environment(extra), home.folder, columns, rows)


def workers(home: Home) -> list[int]:
    """Worker processes of this home that are alive."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
            environment = (entry / "environ").read_bytes()
        except OSError:  # it has ended in between, or is another's
            continue
        if b"worker" in words and f"MLOPS_TUI_HOME={home.data}".encode() in environment:
            found.append(int(entry.name))
    return found


def await_no_worker(home: Home) -> None:
    deadline = time.monotonic() + 30
    while workers(home):
        assert time.monotonic() < deadline, "the worker has not ended"
        time.sleep(0.05)


def test_from_an_empty_home_to_the_table_of_runs_with_the_keyboard_alone(place: Home) -> None:
    with app(place) as shown:
        shown.wait("Practice on this machine", 20)
        shown.press("enter")
        shown.wait("changes to make", 60)
        for title in ("Resource group", "Secret scope", "Azure ML workspace"):
            assert title in shown.text
        shown.press("a")
        shown.wait("in the practice cloud?")
        shown.press("enter")
        shown.wait("Everything is set up", 60)
        shown.press("2")
        shown.wait("No runs yet")
        shown.press("n")
        shown.wait("3 runs, side by side")
        shown.press("enter")
        shown.wait(lambda text: "Best:" in text and len(re.findall(r" passed", text)) >= 3, 60)
        best = [line for line in shown.text.splitlines() if line.lstrip().startswith("★  ")]
        assert len(best) == 1
        assert "alpha=0.1,l1_ratio=0.1" in best[0]
        assert "0.7129" in best[0]
        shown.press("q")
        assert shown.wait_for_exit() == 0
    await_no_worker(place)


def test_the_next_time_the_last_choice_is_marked_and_nothing_is_left_to_do(place: Home) -> None:
    with app(place, 120, 40) as shown:
        shown.wait("last time", 20)
        shown.press("enter")
        shown.wait("Everything is set up", 60)
        shown.press("0")
        shown.wait("Where do you want to work?")
        shown.press("escape")
        assert shown.wait_for_exit() == 0


def test_a_killed_app_finds_its_run_again_and_no_line_is_lost(place: Home) -> None:
    (place.folder / "notebooks").mkdir(exist_ok=True)
    (place.folder / "notebooks" / "train.py").write_text(TALKATIVE)
    (place.folder / "mlops.toml").write_text('[project]\nname = "wine-quality"\nnotebooks = "notebooks"\n')
    assert place.run("setup").code == 0
    with app(place) as shown:
        shown.wait("Practice on this machine", 20)
        shown.press("enter")
        shown.wait("Everything is set up", 60)
        shown.press("2")
        shown.wait(lambda text: "2 Training" in text and "Steps" not in text)
        shown.press("n")
        shown.wait("runs, side by side")
        shown.press("enter")
        shown.wait(lambda text: "line " in text, 60)
        shown.kill()
    first = newest_log(place)
    assert first.read_text().count("line 299") == 0  # it was in the middle
    await_no_worker(place)
    with app(place) as shown:
        shown.wait("last time", 20)
        shown.press("enter")
        shown.wait("Still running", 60)  # the toast
        shown.press("2")
        shown.wait(lambda text: "running" in text or "succeeded" in text)
        shown.wait(lambda text: text.count("succeeded") == 3, 60)
        shown.wait("gate missed")  # the notebook has measured nothing
        shown.press("q")
        assert shown.wait_for_exit() == 0
    kept = newest_log(place)
    assert kept.parent != first.parent
    by_run: dict[str, list[str]] = {}
    for line in kept.read_text().splitlines():
        run, _, text = line[2:].partition(" │ ")
        by_run.setdefault(run, []).append(text)
    runs = {run: lines for run, lines in by_run.items() if run.startswith("alpha=")}
    assert len(runs) == 3
    for lines in runs.values():
        assert [line for line in lines if line.startswith("line ")] == [f"line {n}" for n in range(PARTS * LINES)]


def newest_log(home: Home) -> Path:
    return max(home.data.glob("logs/*/all.log"), key=lambda path: path.stat().st_mtime)


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGHUP])
def test_being_told_to_end_is_as_leaving(end: signal.Signals, place: Home) -> None:
    with app(place) as shown:
        shown.wait("Where do you want to work?", 20)
        shown.wait("Azure: sign in", 20)  # the worker is there
        os.kill(shown.pid, end)
        assert shown.wait_for_exit() == 0
    await_no_worker(place)


def test_a_closed_window_is_as_leaving(place: Home) -> None:
    with app(place) as shown:
        shown.wait("Azure: sign in", 20)
        shown.close_terminal()
        assert shown.exit_code == 0
    await_no_worker(place)


def test_without_a_terminal_the_app_says_what_else_there_is(place: Home) -> None:
    ended = place.run("app")
    assert ended.code == 2
    assert "mlops-tui up" in ended.err
    alone = place.run()
    assert alone.code == 2
    assert "Commands" in alone.err


@pytest.mark.parametrize(
    "terminal", [{"NO_COLOR": "1"}, {"TERM": "xterm", "COLORTERM": ""}], ids=["no colour", "16 colours"]
)
def test_what_is_marked_shows_without_colours_and_with_few(terminal: dict[str, str], place: Home) -> None:
    with PtyApp(COMMAND, place.environment({}), place.folder, terminal=terminal) as shown:
        shown.wait("Azure: sign in", 20)
        shown.press("end")
        shown.wait("Azure", 5)
        time.sleep(0.3)
        shown.wait("Azure", 1)
        marked = [row for row in range(24) if shown.screen.buffer[row][10].bg != shown.screen.buffer[0][10].bg]
        assert marked, "no line differs from the ground"
        shown.press("q")
        assert shown.wait_for_exit() == 0


def test_what_the_app_remembers_holds_no_secret(place: Home) -> None:
    secret = json.loads((place.sandbox / "credentials.json").read_text())["client_secret"]
    assert secret
    for path in place.data.rglob("*"):
        if path.is_file() and "sandbox" not in path.relative_to(place.data).parts:
            assert secret not in path.read_text(errors="replace"), path
            assert path.stat().st_mode & 0o077 == 0, path


def test_help_of_the_commands_imports_nothing_of_the_app() -> None:
    told = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "mlops_tui", "--help"],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert "  app " in told.stdout
    assert "  web " in told.stdout
    assert not re.search(r"\btextual\b|\brich\b|mlops_tui\.tui|mlops_tui\.web", told.stderr)
