"""The pipelines screen: run, watch, approve, cancel on the CI host, by key and by mouse, at two sizes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from textual.command import CommandPalette
from textual.widgets import Input

from mlops_tui.events import ErrorCard, LogLine, PipelinePartState, PipelineRunState, Problem
from mlops_tui.tui.actions import actions_of
from mlops_tui.tui.dialogs.approve_run import ApproveRunDialog
from mlops_tui.tui.dialogs.ending import EndingDialog
from mlops_tui.tui.dialogs.queue_run import QueueRunDialog
from mlops_tui.tui.screens.help import HelpScreen
from mlops_tui.tui.widgets.log_view import LogView
from mlops_tui.tui.widgets.part_tree import PartLineView, PartTree
from mlops_tui.tui.widgets.pipeline_runs import PipelineRuns
from tests.tui.deliveries import image, images
from tests.tui.pipelines import (
    LOST,
    MINE,
    NO_PIPELINE,
    REFUSED,
    THEIRS,
    approved,
    earlier,
    listed,
    lost,
    parts,
    run,
    succeeded,
    training,
    waiting,
)
from tests.tui.pipelines_scene import Scene, pipelines
from tests.tui.replay import Answer, recorded

SIZES = pytest.mark.parametrize("size", [(80, 24), (120, 40)])
HELD = [Answer(training(), held=True)]
LISTED = [Answer([listed(run(19, "waiting"), *earlier(), approvals=[MINE])])]
FOLLOWED = [Answer(waiting(), held=True)]


async def queue(scene: Scene, *keys: str) -> None:
    """As a newcomer does it, with these keys in the form."""
    await scene.press("n")
    await scene.until(lambda: isinstance(scene.app.screen, QueueRunDialog) and scene.app.focused)
    await scene.press(*keys, "f5")
    await scene.until(lambda: scene.asked("ci_run"))


def tell(scene: Scene, do: str, *events: object) -> None:
    """The held request of that kind goes on."""
    request = next(each for each in scene.replay.requests if each.do == do and each.exit_code is None)
    for event in events:
        request.on_event(event)  # type: ignore[arg-type]


@SIZES
async def test_a_newcomer_runs_it_approves_production_and_sees_it_end(tmp_path: Path, size: tuple[int, int]) -> None:
    async with pipelines(tmp_path, size, ci_runs=[Answer([listed()])], ci_run=HELD) as scene:
        await scene.reads("has not run yet", "Press n to run it")
        await queue(scene)
        asked = scene.replay.arguments_of("ci_run")
        assert (asked["stage"], asked["build_number"], asked["branch"], asked["follow"]) == ("all", "", "main", True)
        await scene.reads("● running", "Train: mlops-tui train", "rmse 0.7931", "5 Pipelines ●")
        assert scene.tree[2].split()[1:4] == ["mlops-tui", "train", "running"]
        assert scene.log == "mlops-tui train"
        tell(scene, "ci_run", *waiting())
        await scene.reads("▲ waiting", "Production waits for an approval. Press a to give it.", "ada@contoso.com")
        assert scene.footer() == ["New run", "Approve", "Cancel it", "Quit", "Help"]
        await scene.press("a")
        await scene.until(lambda: isinstance(scene.app.screen, ApproveRunDialog) and scene.app.focused)
        await scene.reads("Let run 20261122.3 go on with Production?", "wine-quality-production", "deploys this build")
        await scene.press("enter")
        await scene.until(lambda: scene.asked("ci_approve"))
        asked = scene.replay.arguments_of("ci_approve")
        assert (asked["run"], asked["comment"]) == ("19", "")
        tell(scene, "ci_run", approved(), PipelineRunState(run=run()))
        await scene.until(lambda: "waits for an approval" not in scene.text)
        scene.replay.finish("ci_run", 0, succeeded())
        await scene.reads("✔ Run 20261122.3: succeeded after 5:12")
        assert not scene.app.desk.busy
        await scene.until(lambda: "5 Pipelines ●" not in scene.text)


async def test_a_release_of_a_build_that_is_there(tmp_path: Path) -> None:
    async with pipelines(tmp_path, ci_run=HELD) as scene:
        await scene.press("n")
        await scene.until(lambda: isinstance(scene.app.screen, QueueRunDialog) and scene.app.focused)
        await scene.press("right", "right")
        await scene.reads("No training: deploy a build that is there to production", "the newest build, if you give")
        scene.app.screen.query_one("#number", Input).focus()
        await scene.press(*"17 [x]")
        await scene.reads("✖ build number: letters, digits")
        await scene.press("enter")
        assert not scene.asked("ci_run"), "what cannot be meant is not sent"
        await scene.press(*["backspace"] * 4)
        scene.app.screen.query_one("#branch", Input).focus()
        await scene.press("ctrl+u", *"a..b")
        await scene.reads("✖ branch: ")
        await scene.press("ctrl+u", *"release", "enter")
        await scene.until(lambda: scene.asked("ci_run"))
        asked = scene.replay.arguments_of("ci_run")
        assert (asked["stage"], asked["build_number"], asked["branch"]) == ("production", "17", "release")


async def test_a_run_that_is_refused_says_why_and_may_be_tried_again(tmp_path: Path) -> None:
    refusal = [Answer([Problem(error=REFUSED)], 3), *HELD]
    async with pipelines(tmp_path, (120, 40), ci_run=refusal) as scene:
        await queue(scene)
        await scene.reads("✖ No run was queued. Azure DevOps refuses to sign in", "What to do: Make another.")
        await queue(scene)
        await scene.reads("● running")
        assert "No run was queued" not in scene.text


async def test_what_runs_goes_on_when_one_leaves_and_its_end_is_told(tmp_path: Path) -> None:
    async with pipelines(tmp_path, ci_run=HELD) as scene:
        await queue(scene)
        await scene.reads("● running")
        await scene.press("1")
        await scene.until(lambda: scene.app.current_mode == "setup")
        tell(scene, "ci_run", *waiting())
        await scene.until(lambda: "Approval needed: Production waits for an approval. Press a" in scene.said)
        scene.replay.finish("ci_run", 1, lost())
        await scene.until(lambda: "Pipeline: Run 20261122.3: failed. Staging: Validation" in scene.said)
        await scene.press("5")
        await scene.reads("✖ Run 20261122.3 has failed", "What to do: Its log says more.")
        assert scene.log == "mlops-tui validate staging"


async def test_after_a_restart_what_runs_is_found_and_followed_again(tmp_path: Path) -> None:
    there = [Answer([listed(run(19), *earlier())])]
    async with pipelines(tmp_path, ci_runs=there, ci_log=[Answer(training()[2:], held=True)]) as scene:
        await scene.reads("● running", "rmse 0.7931")
        asked = scene.replay.arguments_of("ci_log")
        assert (asked["run"], asked["follow"]) == ("19", True)
        assert "Still running: Following run 20261122.3 of the pipeline again." in scene.said
        assert not scene.app.desk.busy, "others may have begun it: nobody here would miss it"
        assert scene.asked("ci_log") == 1


@SIZES
async def test_a_run_that_is_over_is_read_once_the_cursor_rests_on_it(tmp_path: Path, size: tuple[int, int]) -> None:
    log = LogLine(source="Staging · mlops-tui validate staging", text="loses to the champion")
    gone = [Answer([*parts("mlops-tui validate staging", 18, failed=True), log])]
    async with pipelines(tmp_path, size, ci_log=[*gone, Answer(parts(number=17))]) as scene:
        await scene.reads("✖ Run 20261122.2 has failed", "mlops-tui validate staging failed", "loses to the champion")
        assert scene.replay.arguments_of("ci_log")["follow"] is False
        await scene.press("down")
        await scene.until(lambda: scene.replay.arguments_of("ci_log")["run"] == "17")
        await scene.reads("✔ Run 20261122.1: succeeded after 5:12")
        await scene.press("up", "down", "less_than_sign")
        await scene.pilot.pause(0.4)
        assert scene.asked("ci_log") == 2, "what was read is not read again"
        assert scene.state.chosen == "18"
        await scene.press("f")
        await scene.until(lambda: scene.asked("ci_log") == 3)
        assert "Pipeline:" not in scene.said, "it ended long ago"


async def test_one_walks_through_the_parts_to_their_logs_and_back(tmp_path: Path) -> None:
    async with pipelines(tmp_path, (120, 40), ci_run=HELD) as scene:
        await queue(scene)
        await scene.reads("rmse 0.7931")
        await scene.press("tab")
        assert scene.screen.query_one(PartTree).has_focus
        await scene.press("up")
        await scene.reads("Successfully installed mlops-tui-0.1.0")
        await scene.press("l")
        await scene.reads("the whole run", "Train · mlops-tui train │ alpha=0.5")
        await scene.press("enter")
        await scene.until(lambda: "Find in the log" in scene.footer())
        assert len(scene.footer()) <= 6
        await scene.press("escape")
        assert scene.screen.query_one(PipelineRuns).has_focus
        await scene.until(lambda: scene.log == "mlops-tui train")


async def test_a_host_that_hands_out_logs_at_the_end_leaves_nobody_without_one(tmp_path: Path) -> None:
    quiet = [
        replace(told, part=replace(told.part, has_log=told.part.has_log and told.part.state != "running"))
        if isinstance(told, PipelinePartState)
        else told
        for told in training()
        if not isinstance(told, LogLine) or told.source == "Train · Install mlops-tui"
    ]
    async with pipelines(tmp_path, (120, 40), ci_run=[Answer(quiet, held=True)]) as scene:
        await queue(scene)
        await scene.reads("Successfully installed")
        assert scene.log == "Install mlops-tui, until mlops-tui train has ended"
        tell(scene, "ci_run", *training()[3:])
        await scene.until(lambda: scene.log == "mlops-tui train")
        tell(scene, "ci_run", *waiting())
        await scene.until(lambda: scene.log == "the whole run")


async def test_by_mouse_alone(tmp_path: Path) -> None:
    async with pipelines(tmp_path, (120, 40), ci_run=HELD) as scene:
        await scene.pilot.click("#new-run")
        await scene.until(lambda: isinstance(scene.app.screen, QueueRunDialog))
        await scene.pilot.click("#stage-staging")
        await scene.reads("deploy a build that is there to staging")
        await scene.pilot.click("#queue")
        await scene.reads("rmse 0.7931")
        lines = list(scene.screen.query(PartLineView))
        await scene.pilot.click(lines[1])
        await scene.reads("Successfully installed")
        await scene.pilot.click("#older-run")
        await scene.until(lambda: scene.state.chosen == "18")
        await scene.pilot.click("#newer-run")
        tell(scene, "ci_run", *waiting())
        await scene.until(lambda: scene.screen.query_one("#approve").display)
        await scene.pilot.click("#approve")
        await scene.until(lambda: isinstance(scene.app.screen, ApproveRunDialog))
        await scene.pilot.click("#not-now")
        await scene.pilot.pause()
        assert not scene.asked("ci_approve")


async def test_what_is_for_others_to_approve_names_them_and_has_no_key(tmp_path: Path) -> None:
    there = [Answer([listed(run(19, "waiting"), approvals=[THEIRS])])]
    async with pipelines(tmp_path, ci_runs=there, ci_log=[Answer(waiting(THEIRS), held=True)]) as scene:
        await scene.reads("waits for an approval by grace@contoso.com, [Contoso]\\Admins")
        assert "Approve" not in scene.footer()
        await scene.press("a")
        assert scene.app.screen is scene.screen


async def test_a_refused_approval_is_told_and_the_run_goes_on_waiting(tmp_path: Path) -> None:
    forbidden = ErrorCard("Production of run 19 waits for the yes of grace.", "Ask them.", exit_code=3)
    refused = [Answer([Problem(error=forbidden)], 3)]
    async with pipelines(tmp_path, ci_approve=refused, ci_runs=LISTED, ci_log=FOLLOWED) as scene:
        await scene.reads("Press a to give it")
        await scene.press("a")
        await scene.until(lambda: isinstance(scene.app.screen, ApproveRunDialog) and scene.app.focused)
        scene.app.screen.query_one("#comment", Input).focus()
        await scene.press(*"looks good", "enter")
        await scene.until(lambda: "Not approved: Production of run 19 waits for the yes of grace. Ask" in scene.said)
        assert scene.replay.arguments_of("ci_approve")["comment"] == "looks good"
        await scene.reads("Press a to give it")


async def test_whoever_is_to_approve_sees_the_verdict_as_soon_as_it_is_known(tmp_path: Path) -> None:
    judged = replace(image(), build=run().number, verdict="passed", verdict_detail="7 checks")
    found = [Answer([images(judged)], held=True)]
    async with pipelines(tmp_path, ci_runs=LISTED, ci_log=FOLLOWED, images=found) as scene:
        await scene.reads("Press a to give it")
        await scene.press("a")
        await scene.reads("Let run 20261122.3 go on", "verdict      ✔ passed, 7 checks")


async def test_c_cancels_the_run_on_its_host_after_a_question(tmp_path: Path) -> None:
    async with pipelines(tmp_path, ci_run=HELD) as scene:
        await queue(scene)
        await scene.reads("● running")
        await scene.press("c")
        await scene.until(lambda: isinstance(scene.app.screen, EndingDialog) and scene.app.focused)
        await scene.reads("Cancel this run on Azure DevOps?")
        await scene.press("enter")
        assert not scene.asked("ci_cancel"), "letting it run is the default"
        await scene.press("c")
        await scene.until(lambda: isinstance(scene.app.screen, EndingDialog) and scene.app.focused)
        await scene.pilot.click("#end")
        await scene.until(lambda: scene.asked("ci_cancel"))
        await scene.reads("being canceled")
        assert "Cancel it" not in scene.footer()
        scene.replay.finish("ci_run", 1, [PipelineRunState(run=run(19, "canceled")), Problem(error=LOST)])
        await scene.reads("– canceled")


async def test_leaving_names_what_was_queued_here_and_may_end_it(tmp_path: Path) -> None:
    async with pipelines(tmp_path, ci_run=HELD) as scene:
        await queue(scene)
        await scene.reads("● running")
        await scene.press("q")
        await scene.reads("pipeline run 20261122.3", "Leave it running")
        assert "mlops-tui ci logs 19 --follow" in scene.app.desk.left_behind
        await scene.pilot.click("#cancel")
        await scene.until(lambda: scene.asked("ci_cancel") == 1)
        scene.replay.finish("ci_run", 1, [PipelineRunState(run=run(19, "canceled"))])
        await scene.until(lambda: not scene.app.is_running)


async def test_a_lost_connection_is_told_and_f_follows_again(tmp_path: Path) -> None:
    there = [Answer([listed(run(19))])]
    gone = ErrorCard("Azure DevOps does not answer any more.", "Check the connection.")
    again = [Answer([*training()[2:], Problem(error=gone)], 1), Answer(training()[2:], held=True)]
    async with pipelines(tmp_path, (120, 40), ci_runs=there, ci_log=again) as scene:
        await scene.reads("✖ Azure DevOps does not answer any more.", "What to do: Check the connection.")
        assert scene.footer() == ["New run", "Cancel it", "Follow", "Quit", "Help"]
        assert scene.asked("ci_log") == 1
        await scene.press("f")
        await scene.reads("● Run 20261122.3")
        assert "✖ Azure DevOps does not answer" not in scene.text


async def test_the_page_opens_and_its_address_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with pipelines(tmp_path) as scene:
        taken: list[str] = []
        monkeypatch.setattr(scene.app, "open_url", taken.append)
        monkeypatch.setattr(scene.app, "copy_to_clipboard", taken.append)
        await scene.press("o", "y")
        assert taken == [earlier()[0].url] * 2


async def test_r_reads_the_runs_again(tmp_path: Path) -> None:
    async with pipelines(tmp_path) as scene:
        assert scene.asked("ci_runs") == 1
        scene.now(listed(run(20, "succeeded"), *earlier()))
        await scene.press("r")
        await scene.reads("20261122.4")
        assert scene.state.chosen == "18", "the run in hand stays in hand"


@SIZES
async def test_without_a_host_nothing_is_asked_and_one_is_sent_to_setup(tmp_path: Path, size: tuple[int, int]) -> None:
    async with pipelines(tmp_path, size, host="none") as scene:
        await scene.reads('No CI host is chosen: the setting ci.host is "none".')
        assert not scene.asked("ci_runs")
        assert scene.footer() == ["Quit", "Help"]
        await scene.press(*"nacflor[]<>")
        await scene.pilot.click("#to-setup")
        await scene.until(lambda: scene.app.current_mode == "setup")


async def test_without_a_pipeline_one_is_sent_to_setup(tmp_path: Path) -> None:
    nothing = [Answer([Problem(error=NO_PIPELINE)], 2)]
    async with pipelines(tmp_path, host="github", ci_runs=nothing) as scene:
        await scene.reads("There is no pipeline on GitHub yet.", "Go to setup")
        assert "✖" not in scene.text, "nothing is wrong"


async def test_runs_that_cannot_be_read_say_why(tmp_path: Path) -> None:
    again = Answer([Problem(error=REFUSED)], 3)
    refused = [again, again, Answer([listed(*earlier())])]  # it is tried again when one comes here
    async with pipelines(tmp_path, ci_runs=refused) as scene:
        await scene.reads("✖ Azure DevOps refuses to sign in", "Press r to try again.")
        await scene.press("r")
        await scene.reads("20261122.2")


async def test_what_a_pipeline_delivered_is_looked_at_by_whoever_has_looked_before(tmp_path: Path) -> None:
    async with pipelines(tmp_path, runs=[Answer(recorded("runs"))], show=[Answer()], ci_run=HELD) as scene:
        await scene.press("3")
        await scene.until(lambda: scene.asked("endpoints") == 1 and scene.asked("runs") == 1)
        await scene.press("5")
        await scene.until(lambda: scene.app.current_mode == "pipelines")
        await queue(scene)
        await scene.reads("● running")
        scene.replay.finish("ci_run", 0, succeeded())
        await scene.until(lambda: scene.asked("endpoints") == 2 and scene.asked("runs") == 2)


async def test_brackets_make_room(tmp_path: Path) -> None:
    async with pipelines(tmp_path, ci_run=HELD) as scene:
        await queue(scene)
        await scene.reads("rmse 0.7931")
        await scene.press("right_square_bracket")
        await scene.until(lambda: not scene.screen.query_one(LogView).size.height)
        await scene.press("right_square_bracket")
        await scene.until(lambda: not scene.screen.query_one(PartTree).size.height)
        assert scene.screen.query_one(LogView).size.height > 8


async def test_help_and_palette_tell_all_that_can_be_done(tmp_path: Path) -> None:
    async with pipelines(tmp_path, ci_runs=LISTED, ci_log=FOLLOWED) as scene:
        await scene.reads("Press a to give it")
        actions = {action.description for action in actions_of(scene.app.screen)}
        assert {"New run", "Approve", "Cancel it", "Open the run's page in the browser", "Older run"} <= actions
        await scene.press("f1")
        await scene.until(lambda: isinstance(scene.app.screen, HelpScreen))
        await scene.press("escape", "ctrl+p")
        await scene.until(lambda: isinstance(scene.app.screen, CommandPalette))
        await scene.press(*"go to pip")
        await scene.reads("Go to Pipelines")
