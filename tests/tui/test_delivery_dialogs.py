"""What delivery asks before it acts, and the form that tries an endpoint."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from textual.widgets import Button, Input, Static

from mlops_tui.events import ErrorCard, Problem
from mlops_tui.tui.dialogs.approve import ApproveDialog
from mlops_tui.tui.dialogs.try_it import Measure, TryItDialog
from tests.tui.deliveries import (
    NEW,
    answering,
    asked,
    deployed,
    image,
    images,
    predicted,
    production,
    rows,
    staging,
    validated,
    verdict,
)
from tests.tui.delivery_scene import Scene, delivery, told
from tests.tui.replay import Answer

SIZES = pytest.mark.parametrize("size", [(80, 24), (120, 40)])
PASSED = {
    "images": [Answer([images(image(verdict="passed"))])],
    "endpoints": [Answer([answering(staging())])],
}
FAILED = {"images": [Answer([images(image(verdict="failed"))])], "endpoints": [Answer([answering(staging())])]}
BOTH = {
    "images": [Answer([images(image(verdict="passed"))])],
    "endpoints": [Answer([answering(staging(), production())])],
}


async def asks(scene: Scene) -> ApproveDialog:
    """Press a, and wait until it has been found out what it would mean."""
    await scene.press("a")
    await scene.until(lambda: isinstance(scene.app.screen, ApproveDialog) and scene.app.focused)
    await scene.reads("Deploy build 18 to production?")
    dialog = scene.app.screen
    assert isinstance(dialog, ApproveDialog)
    return dialog


async def tries(scene: Scene) -> TryItDialog:
    """Press t, and wait for the rows."""
    await scene.press("t")
    await scene.until(lambda: isinstance(scene.app.screen, TryItDialog) and scene.app.focused)
    dialog = scene.app.screen
    assert isinstance(dialog, TryItDialog)
    return dialog


def found(dialog: ApproveDialog) -> str:
    return str(dialog.query_one("#found", Static).render())


@SIZES
async def test_the_approval_shows_changes_costs_and_verdict(tmp_path: Path, size: tuple[int, int]) -> None:
    async with delivery(
        tmp_path, size, PASSED, validate=told(validated()), deploy=told(deployed("production"))
    ) as scene:
        await scene.press("v")
        await scene.until(lambda: scene.state.verdicts)
        dialog = await asks(scene)
        assert scene.replay.arguments_of("approval")["build"] == NEW
        text = found(dialog)
        assert "✔ passed: 3 of 3 checks" in text
        assert "champion: rmse 0.7100, build 17 has 0.7400" in text, "with its checks, where they are known"
        assert "about 312 USD a month (estimate" in text
        assert "nothing here, in the practice cloud" in text
        assert "+ create AKS cluster myaks" in text
        assert "▲ all requests go to it" in text
        assert not dialog.query_one("#force", Input).display
        button = dialog.query_one("#approve", Button)
        assert (button.disabled, button.has_focus) == (False, True)
        assert button.region.bottom <= size[1] - 1, "the answers are always in sight"


async def test_not_saying_yes_changes_nothing(tmp_path: Path) -> None:
    async with delivery(tmp_path, there=PASSED) as scene:
        await asks(scene)
        await scene.press("escape")
        await scene.until(lambda: scene.app.screen is scene.screen)
        await asks(scene)
        await scene.press("right", "enter")
        await scene.until(lambda: scene.app.screen is scene.screen)
        assert scene.asked("deploy") == 0


@SIZES
async def test_the_answers_stay_in_sight_however_much_there_is_to_say(tmp_path: Path, size: tuple[int, int]) -> None:
    """As a build is named that has no number of its own, and with much that changes."""
    question = asked("failed")
    long = replace(question, build="local-20261122-092746-c5e3", changes=question.changes * 9, cost="much " * 30)
    async with delivery(tmp_path, size, FAILED, approval=[Answer([long])]) as scene:
        await scene.press("a")
        await scene.reads("Deploy build local-20261122-092746-c5e3", "Why go on all the same?", "Approve and deploy")
        buttons = scene.app.screen.query_one("#approve", Button).region
        box = scene.app.screen.query_one("#box").content_region
        assert box.contains_region(buttons)
        assert buttons.height == 3


@pytest.mark.parametrize("word", ["failed", ""])
async def test_against_the_verdict_one_must_say_why(tmp_path: Path, word: str) -> None:
    deploy = told(deployed("production"))
    async with delivery(tmp_path, there=FAILED, approval=[Answer([asked(word)])], deploy=deploy) as scene:
        dialog = await asks(scene)
        button = dialog.query_one("#approve", Button)
        assert dialog.query_one("#force", Input).has_focus
        await scene.press("enter")
        assert scene.app.screen is dialog, "no reason, no deployment"
        await scene.press("space", "enter")
        assert scene.app.screen is dialog, "blanks are no reason"
        await scene.press(*"demo")
        await scene.until(lambda: not button.disabled)
        await scene.press("enter")
        await scene.until(lambda: scene.asked("deploy") == 1)
        sent = scene.replay.arguments_of("deploy")
        assert (sent["approve"], sent["force"], sent["image"]) == (True, "demo", image().id)


async def test_what_would_change_cannot_be_found_out(tmp_path: Path) -> None:
    refused = [Answer([Problem(error=ErrorCard("AKS is not offered in this region.", "Choose another."))], 1)]
    async with delivery(tmp_path, there=PASSED, approval=refused) as scene:
        await scene.press("a")
        await scene.reads("✖ AKS is not offered in this region.", "What to do: Choose another.")
        assert scene.app.screen.query_one("#approve", Button).disabled
        await scene.press("enter")
        await scene.until(lambda: scene.app.screen is scene.screen)
        assert scene.asked("deploy") == 0


async def test_while_it_is_being_found_out_nothing_can_be_approved(tmp_path: Path) -> None:
    async with delivery(tmp_path, there=PASSED, approval=[Answer(held=True)]) as scene:
        await scene.press("a")
        await scene.reads("Looking at what would change")
        assert scene.app.screen.query_one("#approve", Button).disabled
        scene.replay.finish("approval", 0, [asked()])
        await scene.reads("Deploy build 18 to production?")


@SIZES
async def test_a_real_row_is_predicted_with_two_keys(tmp_path: Path, size: tuple[int, int]) -> None:
    async with delivery(tmp_path, size, there=PASSED) as scene:
        await tries(scene)
        await scene.reads("Try staging: build 18", "Row 1 of 3", "fixed acidity", "The test set says 5.")
        assert scene.replay.arguments_of("rows")["build"] == NEW
        await scene.press("enter")
        await scene.reads("Predicted 5.2345 · actual 5, off by 0.2345", "build 18 (wine-quality-aci) in 13 ms")
        sent = scene.replay.arguments_of("predict")
        assert (sent["stage"], sent["deployment"]) == ("staging", "")
        assert sent["rows"] == [dict(rows().rows[0])], "to the last digit"


async def test_a_measure_may_be_changed_and_another_row_taken(tmp_path: Path) -> None:
    async with delivery(tmp_path, there=PASSED) as scene:
        dialog = await tries(scene)
        await scene.reads("Row 1 of 3")
        dialog.query(Measure).first().query_one(Input).focus()
        await scene.press(*"9,5", "enter")
        await scene.reads("before you changed the row")
        assert scene.replay.arguments_of("predict")["rows"][0]["fixed acidity"] == 9.5
        await scene.press(*"red", "enter")
        await scene.until(lambda: "One of the measures is no number." in scene.said)
        assert scene.asked("predict") == 1
        await scene.press("f6")
        await scene.reads("Row 2 of 3", "The test set says 6.")
        assert dialog.row == dict(rows().rows[1])
        await scene.press("f6", "f6")
        await scene.reads("Row 1 of 3")
        assert dialog.row == dict(rows().rows[0]), "as it came"


async def test_production_is_tried_one_deployment_at_a_time(tmp_path: Path) -> None:
    answers = [Answer([predicted("production", 5.5, "blue")])]
    async with delivery(tmp_path, there=BOTH, predict=answers) as scene:
        await scene.press("end")
        await tries(scene)
        await scene.reads("Try production: build 18", "Ask: any deployment")
        await scene.press("f7")
        await scene.reads("Ask: blue")
        await scene.press("f5")
        await scene.reads("(blue) in 13 ms")
        sent = scene.replay.arguments_of("predict")
        assert (sent["stage"], sent["deployment"]) == ("production", "blue")
        await scene.pilot.click("#deployment")
        await scene.reads("Ask: green")
        assert "Predicted" not in scene.text, "that was another deployment's"


async def test_an_endpoint_that_does_not_answer_is_told_in_the_form(tmp_path: Path) -> None:
    gone = ErrorCard("Staging does not answer: connection refused.", "Press l to read its log.")
    answers = [Answer([Problem(error=gone)], 1), Answer([predicted()])]
    async with delivery(tmp_path, there=PASSED, predict=answers) as scene:
        await tries(scene)
        await scene.reads("Row 1 of 3")
        await scene.press("enter")
        await scene.reads("✖ Staging does not answer: connection refused.", "What to do: Press l")
        await scene.press("f5")
        await scene.reads("Predicted 5.2345")
        assert "does not answer" not in scene.text
        await scene.press("escape")
        await scene.until(lambda: scene.app.screen is scene.screen)


async def test_rows_that_cannot_be_read_leave_the_form_empty(tmp_path: Path) -> None:
    lost = [Answer([Problem(error=ErrorCard("The test set of build 18 is gone."))], 1)]
    async with delivery(tmp_path, there=PASSED, rows=lost) as scene:
        dialog = await tries(scene)
        await scene.reads("✖ The test set of build 18 is gone.", "The rows could not be read.")
        await scene.press("f5", "f6", "f7", "enter")
        assert scene.asked("predict") == 0
        assert not dialog.query_one("#predict").display


async def test_eleven_measures_fit_into_eighty_columns(tmp_path: Path) -> None:
    row = {f"free sulfur dioxide {number}": number / 7 for number in range(11)}
    wide = rows()
    many = type(wide)(build=NEW, rows=(row,), target=(5.0,))
    async with delivery(tmp_path, there=PASSED, rows=[Answer([many])]) as scene:
        dialog = await tries(scene)
        await scene.reads("Row 1 of 1", "free sulfur dioxide 10")
        assert dialog.query_one("#predict").region.bottom <= 23
        assert dialog.row == row
        await scene.press("enter")
        await scene.until(lambda: scene.asked("predict") == 1)
        assert scene.replay.arguments_of("predict")["rows"] == [row]


def test_the_dialog_of_a_verdict_of_the_past_shows_what_was_kept_of_it() -> None:
    from mlops_tui.tui.dialogs.approve import _found

    kept = image(verdict="passed", verdict_detail="champion: rmse 0.71 [on] the same rows")
    assert "metric" not in _found(asked(), None, kept, False).plain
    assert _found(asked(), None, kept, False).plain.endswith(
        "\n\nWhat the validation has found\n" + kept.verdict_detail
    )
    assert "What the validation" not in _found(asked(), None, image(), False).plain
    assert kept.verdict_detail not in _found(asked(), verdict(), kept, False).plain, "the table has it all"
    assert "metric" in _found(asked(), verdict(), kept, False).plain
    assert "practice" not in _found(asked(), None, None, False).plain
