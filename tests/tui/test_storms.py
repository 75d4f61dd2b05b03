"""What no screen may mind: hostile text, sizes that change all the time, keys that nobody would press in that order."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from mlops_tui.events import ErrorCard, Event, LogLine, Problem, StepState
from mlops_tui.tui.app import MlopsApp
from tests.tui.deliveries import (
    KEY,
    OLD,
    answering,
    asked,
    building,
    built,
    deployed,
    image,
    images,
    predicted,
    production,
    rows,
    staging,
    validated,
)
from tests.tui.hostile import TEXTS, hostile
from tests.tui.picture import text_of
from tests.tui.pipelines import MINE, begun, earlier, listed, lost, parts, waiting
from tests.tui.pipelines import run as pipeline_run
from tests.tui.pipelines_scene import opened
from tests.tui.replay import Answer, Replay, recorded

SIZES = ((80, 24), (120, 40))
FUZZ_KEYS = int(os.environ.get("FUZZ_KEYS", "700"))
KEYS = [
    *"abcdefghijklmnoprstuvwxyz12345 /?<>[]GDCO",
    *("enter", "escape", "tab", "shift+tab", "up", "down", "left", "right", "home", "end", "pageup", "pagedown"),
    *("f1", "f2", "f3", "f4", "f5", "ctrl+p", "ctrl+a", "backspace", "delete", "space", "question_mark", "slash"),
]
LAUNCH = ("2", "n", "enter")
OFTEN = [
    LAUNCH,
    LAUNCH,
    ("1", "a", "enter"),
    ("3", "g"),
    ("3", "t", "f5"),
    ("5", "n", "ctrl+u", "f5"),
    ("q",),
    ("ctrl+c",),
]
MOVES = [*((key,) for key in KEYS), *OFTEN * 2]
PLACES = (
    ("enter",),
    ("down", "right_square_bracket", "right_square_bracket", "right_square_bracket", "right_square_bracket"),
    ("a", "enter"),
    ("2", "n", "enter"),
    ("down", "right_square_bracket", "right_square_bracket", "b", "o"),
    ("3", "g"),
    ("d", "down", "l", "v", "end", "u", "tab", "enter"),
    ("t", "f5", "f6", "f7", "escape", "k", "y", "left_square_bracket"),
    ("a", *"why", "enter", "escape"),
    ("4", "enter", "enter", "escape"),
    ("5", "down", "tab", "down", "up", "enter", "escape"),
    ("n", "ctrl+u", "f5"),
    ("a", "enter"),
    ("up", "a", *"why", "escape", "c", "tab", "enter"),
    ("right_square_bracket", "right_square_bracket", "right_square_bracket", "l", "f", "y", "r"),
    ("f1", "escape", "ctrl+p", "escape"),
)


def answers(text: str = "", hold_training: bool = False) -> Replay:
    """A cloud that tells everything there is to tell, with that text in all of it."""

    def told(name: str) -> Sequence[Event]:
        return hostile(recorded(name), text)

    failure = ErrorCard(f"No.{text}", f"Do this.{text}", f"https://example.com/{text}", text, text[:40])
    failed = [
        *told("apply"),
        StepState(step="cluster", title=f"Cluster{text}", state="failed", detail=text),
        Problem(source="cluster", error=failure),
        Problem(error=failure),
    ]
    return Replay(
        {
            "open": [Answer(hostile(opened(), text))],
            "describe": [Answer(hostile(opened(), text))],
            "plan": [Answer(told("plan"))],
            "apply": [Answer(failed, exit_code=1), Answer(told("apply"))],
            "teardown": [Answer([Problem(error=failure)], exit_code=1)],
            "job_runs": [Answer()],
            "train": [Answer(told("train"), held=hold_training), Answer([*told("train"), Problem(error=failure)], 1)],
            "log": [Answer(told("train"))],
            "runs": [Answer(told("runs"))],
            "show": [Answer(told("described")), Answer([Problem(error=failure)], 1)],
            "choices": [Answer(told("choices")), Answer([Problem(error=failure)], 1)],
            "save_settings": [Answer([Problem(error=failure)], 2)],
            "end_run": [Answer(), Answer([Problem(error=failure)], 1)],
            **_delivery(text, failure),
            **_pipelines(text, failure),
        }
    )


def _delivery(text: str, failure: ErrorCard) -> dict[str, Sequence[Answer]]:
    """The same of delivery; each job fails every other time."""

    def told(*events: Event) -> Answer:
        return Answer(hostile(events, text))

    failed = Answer([Problem(error=failure)], 1)
    return {
        "images": [told(images(image(verdict="failed"), image(OLD, verdict="passed"))), failed],
        "endpoints": [told(answering(staging(previous=OLD), production())), failed],
        "build": [told(*building(), *built()), failed],
        "deploy": [told(*deployed()), failed],
        "validate": [told(*validated(False)), failed],
        "rollback": [told(*deployed("production")), failed],
        "approval": [told(asked("failed")), failed],
        "rows": [told(rows()), failed],
        "predict": [told(predicted()), failed],
        "stage_log": [told(LogLine(source="staging", text=text))],
        "endpoint_key": [Answer(secret=KEY), failed],
    }


def _pipelines(text: str, failure: ErrorCard) -> dict[str, Sequence[Answer]]:
    """The same of the pipeline on its CI host."""

    def told(*events: Event) -> Answer:
        return Answer(hostile(events, text))

    failed = Answer([Problem(error=failure)], 1)
    waits = listed(pipeline_run(19, "waiting"), *earlier(), approvals=[MINE])
    return {
        "ci_runs": [told(waits), failed],
        "ci_log": [told(*waiting()), told(*parts(number=18)), failed],
        "ci_run": [told(*begun(), *waiting()), told(*begun(), *lost()), failed],
        "ci_approve": [failed, Answer()],
        "ci_cancel": [failed, Answer()],
    }


def app_on(replay: Replay, folder: Path) -> MlopsApp:
    return MlopsApp(connect=lambda: replay, environment={"MLOPS_TUI_HOME": str(folder)})


async def visit(pilot: Pilot[Any], places: Sequence[Sequence[str]] = PLACES) -> None:
    """Every section, with its tabs and dialogs."""
    for keys in places:
        await pilot.pause()
        await pilot.press(*keys)
        await pilot.pause()


@pytest.mark.parametrize("name", TEXTS)
async def test_no_text_breaks_a_screen(name: str, tmp_path: Path) -> None:
    """Everywhere at one size, then every section at the other."""
    replay = answers(TEXTS[name])
    size, other = SIZES if list(TEXTS).index(name) % 2 else SIZES[::-1]
    async with app_on(replay, tmp_path).run_test(size=size, notifications=True) as pilot:
        await visit(pilot)
        check_text(pilot)
        await pilot.resize_terminal(*other)
        for section in "12345":
            await pilot.press(section)
            await pilot.pause()
            check_text(pilot)
    asked = {do for do, _ in replay.asked}
    everywhere = {"open", "plan", "apply", "train", "runs", "images", "deploy", "rollback", "rows", "endpoint_key"}
    everywhere |= {"ci_runs", "ci_log", "ci_run", "ci_approve", "ci_cancel"}
    assert everywhere <= asked, "the visit did not get everywhere"


def check_text(pilot: Pilot[Any]) -> None:
    """The app goes on, and shows nothing that would speak to the terminal."""
    assert pilot.app.is_running
    assert not [character for character in text_of(pilot.app) if character < " " and character != "\n"]


async def test_a_terminal_may_change_its_size_all_the_time(tmp_path: Path) -> None:
    chance = random.Random(7)
    async with app_on(answers(), tmp_path).run_test(size=(80, 24)) as pilot:
        for keys in PLACES:
            await pilot.press(*keys)
            for _ in range(6):
                await pilot.resize_terminal(chance.randint(1, 220), chance.randint(1, 70))
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        assert "1 Setup" in text_of(pilot.app)


@pytest.mark.timeout(300)
async def test_any_keys_in_any_order(tmp_path: Path) -> None:
    """The same ones on every machine. Each run that was launched has somebody who follows it, or knows of it."""
    chance = random.Random(int(os.environ.get("FUZZ_SEED", "20261122")))
    pressed = launched = 0
    while pressed < FUZZ_KEYS:
        replay = answers(chance.choice(list(TEXTS.values())), hold_training=chance.random() < 0.5)
        app = app_on(replay, tmp_path)
        keys: list[str] = []
        async with app.run_test(size=chance.choice([(80, 24), (120, 40), (40, 12)]), notifications=True) as pilot:
            await pilot.press("enter")
            while app.is_running and pressed + len(keys) < FUZZ_KEYS and len(keys) < 250:
                move = chance.choice(MOVES)
                keys += move
                await pilot.press(*move)
            pressed += len(keys)
            sweeps = app.desk.training.state.sweeps
            trainings = [request for request in replay.requests if request.do in ("train", "log")]
            owned = {sweep.request_id for sweep in sweeps}
            orphans = [request for request in trainings if request.exit_code is None and request.id not in owned]
            assert not orphans, f"nobody knows of {orphans} after {keys}"
            if trainings:
                assert "1000" in {sweep.job_run for sweep in sweeps}, f"job run 1000 is forgotten after {keys}"
            launched += len(trainings)
        assert KEY not in app.clipboard
        assert replay.closed, f"the worker was not told of the end after {keys}"
        assert app.return_code in (0, None), f"it crashed after {keys}"
    assert launched, "the keys never launched anything: the test has become blunt"
