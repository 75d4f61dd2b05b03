"""The delivery screen: from a trained build to production and back, by key and by mouse, at two sizes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from textual.app import App, ComposeResult
from textual.command import CommandPalette
from textual.widgets import Footer

from mlops_tui.events import ErrorCard, LaneState, LogLine, Problem, RunsListed
from mlops_tui.spool import log_file
from mlops_tui.tui.actions import actions_of
from mlops_tui.tui.dialogs.approve import ApproveDialog
from mlops_tui.tui.dialogs.confirm_rollback import ConfirmRollback
from mlops_tui.tui.dialogs.ending import EndingDialog
from mlops_tui.tui.screens.help import HelpScreen
from mlops_tui.tui.state.delivery import LaneRow
from mlops_tui.tui.widgets.lanes import LaneLine, Lanes
from mlops_tui.tui.widgets.log_view import LogView
from tests.tui.deliveries import (
    KEY,
    LOST,
    NEW,
    NOT_SET_UP,
    OLD,
    absent,
    answering,
    building,
    built,
    deployed,
    image,
    images,
    nothing_answers,
    production,
    staging,
    validated,
)
from tests.tui.delivery_scene import delivery, told
from tests.tui.picture import text_of
from tests.tui.replay import Answer, recorded
from tests.tui.waiting import until

SIZES = pytest.mark.parametrize("size", [(80, 24), (120, 40)])


@SIZES
async def test_g_leads_a_newcomer_from_a_trained_build_to_production(tmp_path: Path, size: tuple[int, int]) -> None:
    deploys = [Answer(deployed()), Answer(deployed("production"))]
    async with delivery(
        tmp_path, size, build=told([*building(), *built()]), deploy=deploys, validate=told(validated())
    ) as scene:
        await scene.reads("Next: g builds its image")
        scene.now(images=[image()])
        await scene.press("g")
        await scene.reads("Next: g deploys it to staging")
        assert scene.replay.arguments_of("build")["build"] == NEW
        assert scene.lane("image").split()[:5] == ["✔", "Image", "done", "42", "s"]
        scene.now(endpoints=[staging(), absent("production")])
        await scene.press("g")
        await scene.reads("Next: g validates what staging answers")
        assert scene.replay.arguments_of("deploy")["stage"] == "staging"
        assert scene.replay.arguments_of("deploy")["approve"] is False
        scene.now(images=[image(verdict="passed")])
        await scene.press("g")
        await scene.reads("g asks for the approval", "metric", "better", "p50 12.4 ms")
        scene.now(images=[image(verdict="passed", approved_by="ada")], endpoints=[staging(), production()])
        await scene.press("g")
        await scene.until(lambda: isinstance(scene.app.screen, ApproveDialog) and scene.app.focused)
        await scene.reads("Deploy build 18 to production?", "312 USD")
        await scene.press("enter")
        await scene.reads("Build 18 answers in production. Press t to try it.")
        asked = scene.replay.arguments_of("deploy")
        assert (asked["stage"], asked["approve"], asked["force"]) == ("production", True, "")
        assert (asked["build"], asked["image"]) == (NEW, image().id)
        lanes = [scene.lane(lane).split()[:3] for lane in ("image", "staging", "validation", "approval", "production")]
        assert {(sign, word) for sign, _, word in lanes} == {("✔", "done")}
        assert "Go on" not in scene.footer(), "there is nothing left to do"


async def test_what_is_there_is_looked_at_when_one_comes_and_after_each_job(tmp_path: Path) -> None:
    async with delivery(tmp_path, build=told([*building(), *built()])) as scene:
        assert (scene.asked("endpoints"), scene.asked("images"), scene.asked("runs")) == (1, 1, 1)
        await scene.press("2", "3")
        assert scene.asked("images") == 1, "coming back asks nobody again"
        await scene.press("b")
        await scene.until(lambda: scene.asked("images") == 2)
        assert scene.asked("endpoints") == 2
        await scene.press("r")
        await scene.until(lambda: (scene.asked("endpoints"), scene.asked("images"), scene.asked("runs")) == (3, 3, 2))


@SIZES
async def test_a_running_job_ticks_and_its_log_is_live(tmp_path: Path, size: tuple[int, int]) -> None:
    async with delivery(tmp_path, size, build=told(building(), held=True)) as scene:
        await scene.press("b")
        await scene.reads("running", "Container image in the registry", "image │ Step 3/8")
        scene.state.told["image"].since = scene.state.told["image"].since - 100  # type: ignore[operator]  # it runs
        await scene.until(lambda: "1:4" in scene.lane("image"))
        assert "3 Delivery ●" in scene.text, "the bar tells of it everywhere"
        folder = Path(scene.replay.arguments_of("build")["logs"])
        assert log_file(folder, "image").read_text().splitlines()[1] == "w WARNING: Running pip as root"
        assert scene.footer()[0] == "End it"
        await scene.press("v")
        assert "Wait for the end of this" in scene.said
        assert scene.asked("validate") == 0, "one job at a time"
        scene.now(images=[image()])
        scene.replay.finish("build", 0, built())
        await scene.reads("42 s")
        assert "Building" not in scene.text
        clock = scene.screen._clock
        assert clock is not None
        await scene.until(lambda: not clock._active.is_set())


async def test_whoever_is_elsewhere_hears_of_the_end(tmp_path: Path) -> None:
    async with delivery(tmp_path, build=told(building(), held=True)) as scene:
        await scene.press("b", "1")
        await scene.until(lambda: scene.app.current_mode == "setup")
        scene.replay.finish("build", 0, built())
        await scene.until(lambda: "Delivery: The image of build 18 is ready." in scene.said)


async def test_a_failure_tells_what_to_do_and_everything_else_still_works(tmp_path: Path) -> None:
    failing = [LaneState(lane="image", title="Image", state="failed", build=NEW, detail="pip"), Problem(error=LOST)]
    async with delivery(tmp_path, (120, 40), build=told([*building(), *failing], 1)) as scene:
        await scene.press("g")
        await scene.reads("✖ The image was not built", "What to do: Train again", "learn.microsoft.com")
        assert scene.lane("image").split()[:3] == ["✖", "Image", "failed"]
        await scene.press("down")
        await scene.until(lambda: "What to do" not in scene.text)
        await scene.press("up", "greater_than_sign")
        await scene.reads("build 17 · 2 of 2", "none yet: press b to build it")
        await scene.press("b")
        await scene.until(lambda: scene.replay.arguments_of("build")["build"] == OLD)


async def test_a_failed_verdict_shows_what_was_lost_to_and_stops_there(tmp_path: Path) -> None:
    there = {"images": [Answer([images(image(), image(OLD))])], "endpoints": [Answer([answering(staging())])]}
    async with delivery(tmp_path, (120, 40), validate=told(validated(False), 1), there=there) as scene:
        scene.now(images=[image(verdict="failed"), image(OLD)], endpoints=[staging(), production(OLD, "")])
        await scene.press("v")
        await scene.reads("✖ failed · 400 rows", "✖ failed champion: rmse 0.7100, build 17 has 0.6900", "worse")
        await scene.reads("The verdict on build 18 is: failed.")
        assert scene.lane("validation").split()[:3] == ["✖", "Validation", "failed"]
        assert "Go on" not in scene.footer()


async def test_only_what_staging_answers_with_can_be_validated(tmp_path: Path) -> None:
    there = {"images": [Answer([images(image())])], "endpoints": [Answer([answering(staging(OLD))])]}
    async with delivery(tmp_path, there=there) as scene:
        await scene.press("v")
        assert "Staging does not answer with build 18: press d" in scene.said
        assert scene.asked("validate") == 0


async def test_without_an_image_nothing_is_deployed(tmp_path: Path) -> None:
    async with delivery(tmp_path) as scene:
        for key in "dva":
            await scene.press(key)
        assert scene.said.count("There is no image of build 18 yet: press b to build it.") == 3
        assert {do for do, _ in scene.replay.asked}.isdisjoint({"deploy", "validate", "approval"})


async def test_a_rollback_names_the_build_that_comes_back_and_keeping_is_the_default(tmp_path: Path) -> None:
    there = {
        "images": [Answer([images(image(verdict="passed"), image(OLD, verdict="passed"))])],
        "endpoints": [Answer([answering(staging(), production())])],
    }
    back = [LaneState(lane="production", title="Production", state="done", build=OLD, seconds=2.0)]
    async with delivery(tmp_path, rollback=told(back), there=there) as scene:
        await scene.press("u")
        assert scene.app.screen is scene.screen, "staging has nothing to go back to"
        await scene.press("end", "u")
        await scene.until(lambda: isinstance(scene.app.screen, ConfirmRollback) and scene.app.focused)
        await scene.reads("Bring build 17 back in production?", "Now build 18 answers at wine-quality-aks")
        await scene.press("enter")
        assert scene.asked("rollback") == 0
        scene.now(endpoints=[staging(), production(OLD, NEW)])
        await scene.press("u")
        await scene.until(lambda: isinstance(scene.app.screen, ConfirmRollback) and scene.app.focused)
        await scene.press("right", "enter")
        await scene.until(lambda: scene.asked("rollback") == 1)
        assert scene.replay.arguments_of("rollback")["stage"] == "production"
        await scene.until(lambda: scene.lane("production").split()[:3] == ["✔", "Production", "done"])
        await scene.reads("build 17 · 2 of 2", "build 18 (u brings it back)")


async def test_c_ends_the_job_in_the_cloud_after_a_question(tmp_path: Path) -> None:
    async with delivery(tmp_path, build=told(building(), held=True)) as scene:
        await scene.press("b")
        await scene.reads("running")
        await scene.press("c")
        await scene.until(lambda: isinstance(scene.app.screen, EndingDialog) and scene.app.focused)
        await scene.reads("job run 2001 in the cloud")
        await scene.press("enter")
        assert scene.asked("end_run") == 0, "letting it run is the default"
        await scene.press("c")
        await scene.until(lambda: isinstance(scene.app.screen, EndingDialog) and scene.app.focused)
        await scene.pilot.click("#end")
        await scene.until(lambda: scene.asked("end_run") == 1)
        assert scene.replay.arguments_of("end_run")["run"] == "2001"
        await scene.reads("being ended")
        scene.replay.finish("build", 1, [Problem(error=ErrorCard("Job run 2001 was cancelled."))])
        await scene.reads("✖ Job run 2001 was cancelled.")


async def test_what_the_cloud_does_not_run_is_ended_here(tmp_path: Path) -> None:
    there = {"images": [Answer([images(image())])], "endpoints": [Answer([answering(staging())])]}
    async with delivery(tmp_path, validate=[Answer(held=True)], there=there) as scene:
        await scene.press("v", "c")
        await scene.until(lambda: isinstance(scene.app.screen, EndingDialog) and scene.app.focused)
        await scene.pilot.click("#end")
        await scene.until(lambda: scene.replay.cancelled == ["validate"])
        await scene.until(lambda: scene.lane("validation").split()[:3] == ["▲", "Validation", "warning"])


async def test_leaving_names_the_job_that_runs(tmp_path: Path) -> None:
    async with delivery(tmp_path, build=told(building(), held=True)) as scene:
        await scene.press("b", "q")
        await scene.reads("building the image of build 18", "Leave it running")
        assert "goes on" in scene.app.desk.left_behind
        await scene.press("enter")
        assert not scene.app.is_running


async def test_leaving_may_end_the_job(tmp_path: Path) -> None:
    async with delivery(tmp_path, build=told(building(), held=True)) as scene:
        await scene.press("b", "q")
        await scene.reads("building the image of build 18")
        await scene.pilot.click("#cancel")
        await scene.until(lambda: scene.asked("end_run") == 1)
        scene.replay.finish("build", 1)
        await scene.until(lambda: not scene.app.is_running)


async def test_what_changed_while_it_was_read_is_read_once_more(tmp_path: Path) -> None:
    slow = [Answer([images()]), Answer([images()], held=True), Answer([images(image())])]
    async with delivery(tmp_path, images=slow, build=told([*building(), *built()])) as scene:
        await scene.press("r", "b")
        await scene.until(lambda: not scene.state.running)
        assert scene.asked("images") == 2
        scene.replay.finish("images")
        await scene.until(lambda: scene.asked("images") == 3)
        await scene.until(lambda: scene.lane("image").split()[:3] == ["✔", "Image", "done"])


@SIZES
async def test_l_follows_what_the_service_writes_and_back_to_the_job(tmp_path: Path, size: tuple[int, int]) -> None:
    there = {"images": [Answer([images(image())])], "endpoints": [Answer([answering(staging(), production())])]}
    service = Answer([LogLine(source="staging", text="POST /score 200")], held=True)
    async with delivery(tmp_path, size, stage_log=[service, Answer(held=True)], there=there) as scene:
        await scene.press("down", "l")
        await scene.reads("POST /score 200", "staging: what the service writes")
        asked = scene.replay.arguments_of("stage_log")
        assert (asked["stage"], asked["follow"]) == ("staging", True)
        assert not scene.app.desk.busy, "looking is no work that anybody would wait for"
        await scene.press("end")
        await scene.until(lambda: scene.replay.arguments_of("stage_log")["stage"] == "production")
        await scene.press("l")
        await scene.until(lambda: set(scene.replay.cancelled) == {"stage_log"})
        assert "what the service writes" not in scene.text
        left = next(request for request in scene.replay.requests if request.do == "stage_log")
        left.on_event(Problem(error=ErrorCard("Left the log of staging.", exit_code=130)))
        assert "cannot be read" not in scene.said, "it was left on purpose"
        left.on_event(Problem(error=LOST))
        await scene.until(lambda: f"The log of staging cannot be read: {LOST.message}" in scene.said)


async def test_k_copies_the_key_and_nobody_ever_sees_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = {"images": [Answer([images(image())])], "endpoints": [Answer([answering(staging(), production())])]}
    async with delivery(tmp_path, there=there) as scene:
        copied: list[str] = []
        monkeypatch.setattr(scene.app, "copy_to_clipboard", copied.append)
        await scene.press("end", "k")
        await scene.reads("Copied")
        assert copied == [KEY]
        assert scene.replay.arguments_of("endpoint_key")["stage"] == "production"
        assert KEY not in scene.text
        assert KEY not in scene.said
        assert scene.app.clipboard == "", "pasting here would show it"
        assert KEY not in repr(vars(scene.state))
        assert not [path for path in tmp_path.rglob("*") if path.is_file() and KEY in path.read_text(errors="replace")]


async def test_a_key_that_cannot_be_had_is_told(tmp_path: Path) -> None:
    refused = Answer([Problem(error=ErrorCard("You may not list the keys.", exit_code=3))], 3)
    there = {"endpoints": [Answer([answering(staging())])], "endpoint_key": [refused]}
    async with delivery(tmp_path, there=there) as scene:
        await scene.press("down", "k")
        await scene.until(lambda: "You may not list the keys." in scene.said)


async def test_y_copies_the_address_of_what_is_in_hand(tmp_path: Path) -> None:
    there = {"images": [Answer([images(image())])], "endpoints": [Answer([answering(staging())])]}
    async with delivery(tmp_path, there=there) as scene:
        await scene.press("y")
        await scene.until(lambda: scene.app.clipboard == image().id)
        await scene.press("down", "y")
        await scene.until(lambda: scene.app.clipboard == staging().url)


@SIZES
async def test_the_card_tells_where_production_answers_and_with_what(tmp_path: Path, size: tuple[int, int]) -> None:
    there = {"images": [Answer([images(image())])], "endpoints": [Answer([answering(staging(), production())])]}
    async with delivery(tmp_path, size, there=there) as scene:
        await scene.press("end")
        await scene.reads("wine-quality-aks", "✔ healthy", "http://20.1.2.3", "██████████ 100 %", "build 17", "blue")


async def test_before_anything_is_trained_one_is_sent_to_training(tmp_path: Path) -> None:
    nothing = {"runs": [Answer([RunsListed(results=(), gate="")])]}
    async with delivery(tmp_path, there=nothing) as scene:
        await scene.reads("Nothing to deliver yet", "There is no trained build yet. Press 2 to train one.")
        assert scene.footer() == ["Quit", "Help"]
        await scene.press(*"gbdvatuclky")
        await scene.pilot.click("#to-training")
        await scene.until(lambda: scene.app.current_mode == "training")


async def test_before_setup_one_is_sent_there(tmp_path: Path) -> None:
    refused = [Answer([Problem(error=NOT_SET_UP)], 2)]
    nothing = {"runs": refused, "images": refused, "endpoints": refused, "plan": [Answer(recorded("plan"))]}
    async with delivery(tmp_path, there=nothing) as scene:
        await scene.reads("Setup comes first: press 1")
        assert "✖" not in scene.text, "nothing is wrong"
        await scene.pilot.click("#to-setup")
        await scene.until(lambda: scene.app.current_mode == "setup")


async def test_what_cannot_be_read_is_told_and_the_rest_is_shown(tmp_path: Path) -> None:
    lost = [Answer([Problem(error=ErrorCard("Azure ML does not answer.", "Try again later."))], 1)]
    async with delivery(tmp_path, (120, 40), images=lost, endpoints=[Answer([answering(staging())])]) as scene:
        await scene.reads("✖ Azure ML does not answer.", "What to do: Try again later.")
        assert scene.lane("staging").split()[:3] == ["✔", "Staging", "done"]
        scene.now(images=[image()])
        await scene.press("r")
        await scene.until(lambda: "does not answer" not in scene.text)
        assert scene.lane("image").split()[:3] == ["✔", "Image", "done"]


async def test_the_brackets_make_room_for_the_log_or_for_what_is_known(tmp_path: Path) -> None:
    async with delivery(tmp_path, build=told(building(), held=True)) as scene:
        await scene.press("b")
        await scene.reads("image │ Step 3/8", "A container image of the build's")
        await scene.press("left_square_bracket")
        await scene.until(lambda: "A container image of" not in scene.text)
        assert "image │ Step 3/8" in scene.text
        await scene.press("left_square_bracket")
        await scene.until(lambda: "image │ Step 3/8" not in scene.text)
        assert "A container image of" in scene.text
        await scene.press("left_square_bracket")
        await scene.reads("image │ Step 3/8", "A container image of the build's")


async def test_the_mouse_can_do_it_too(tmp_path: Path) -> None:
    async with delivery(tmp_path, build=told([*building(), *built()])) as scene:
        scene.now(images=[image()])
        await scene.pilot.click("#go-on")
        await scene.reads("g deploys it to staging")
        await scene.pilot.click("#lane-production")
        assert scene.screen.query_one(Lanes).lane == "production"
        await scene.pilot.click("#older-build")
        await scene.reads("build 17 · 2 of 2")


async def test_the_footer_has_six_keys_at_most_and_the_log_has_its_own(tmp_path: Path) -> None:
    there = {"images": [Answer([images(image())])], "endpoints": [Answer([answering(staging(), production())])]}
    async with delivery(tmp_path, there=there) as scene:
        await scene.press("end")
        assert scene.footer() == ["Go on", "Try it", "Roll back", "Quit", "Help"]
        await scene.press("l")
        scene.screen.query_one(LogView).lines.focus()
        await scene.until(lambda: "Find in the log" in scene.footer())
        assert len(scene.footer()) < 6
        await scene.press("escape")
        await scene.until(lambda: scene.screen.query_one(Lanes).has_focus)
        assert scene.screen.query_one(Footer).display


async def test_help_and_palette_tell_all_that_can_be_done(tmp_path: Path) -> None:
    there = {"images": [Answer([images(image())])], "endpoints": [Answer([answering(staging(), production())])]}
    async with delivery(tmp_path, there=there) as scene:
        await scene.press("end")
        actions = {action.description for action in actions_of(scene.app.screen)}
        assert {"Go on", "Try it", "Roll back", "Build the image", "Deploy to staging", "Validate staging"} <= actions
        assert {"Approve and deploy to production", "Copy the endpoint's key", "Look at the cloud again"} <= actions
        await scene.press("f1")
        await scene.until(lambda: isinstance(scene.app.screen, HelpScreen))
        await scene.press("escape", "ctrl+p")
        await scene.until(lambda: isinstance(scene.app.screen, CommandPalette))
        await scene.press(*"approve and")
        await scene.reads("Approve and deploy to production")


async def test_what_the_mouse_rests_on_is_told_as_text() -> None:
    """Details come from outside: nobody may write markup there."""
    row = LaneRow("staging", "failed", "Staging [b]", "18", "no [/subscriptions/abc] there")

    class OneLane(App[None]):
        TOOLTIP_DELAY = 0.01

        def compose(self) -> ComposeResult:
            yield LaneLine("staging")

    app = OneLane()
    async with app.run_test(tooltips=True) as pilot:
        app.query_one(LaneLine).show(row, 0, 0.0, 2)
        await pilot.hover(LaneLine)
        await until(pilot, lambda: "no [/subscriptions/abc] there" in text_of(app).replace("\n", " "))


async def test_another_cloud_begins_anew(tmp_path: Path) -> None:
    async with delivery(tmp_path) as scene:
        state = scene.state
        await scene.press("0")
        await scene.until(lambda: scene.app.current_mode == "opening")
        assert scene.state is not state
        assert not scene.state.read


async def test_endpoints_that_others_have_deployed_are_seen_without_any_build(tmp_path: Path) -> None:
    nobody = {"runs": [Answer([RunsListed(results=(), gate="")])], "endpoints": [Answer([answering(staging())])]}
    async with delivery(tmp_path, there=nobody) as scene:
        await scene.until(lambda: scene.lane("staging").split()[:3] == ["✔", "Staging", "done"])
        await scene.reads("No build yet")
        assert "Build the image" not in {action.description for action in actions_of(scene.app.screen)}


async def test_an_ill_endpoint_is_told_with_its_reason(tmp_path: Path) -> None:
    ill = replace(staging(), health="unhealthy", state="Waiting", detail="the container was restarted 4 times")
    there = {"images": [Answer([images(image())])], "endpoints": [Answer([answering(ill, absent("production"))])]}
    async with delivery(tmp_path, there=there) as scene:
        await scene.press("down")
        await scene.reads("✖ unhealthy (Waiting)", "the container was restarted 4 times")
        scene.now(endpoints=nothing_answers().endpoints)
        await scene.press("r")
        await scene.reads("nothing is deployed")
