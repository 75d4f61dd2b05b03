"""Setting up on screen: what a person sees, applies, mends, copies and takes down again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mlops_tui.events import Change, ErrorCard, Event, LogLine, Planned, PlanReady, Problem, StepState
from mlops_tui.tui.dialogs.confirm_apply import ConfirmApply
from mlops_tui.tui.dialogs.confirm_teardown import ConfirmTeardown
from mlops_tui.tui.widgets.step_list import StepLine, StepList
from mlops_tui.tui.widgets.step_log import StepLog
from mlops_tui.tui.widgets.step_tabs import StepTabs
from tests.tui.at_setup import SIZES, answers, at_setup, go_to, open_tab, seen, sees, state_of, with_settings
from tests.tui.replay import Answer, recorded
from tests.tui.waiting import until

REFUSED = ErrorCard(
    "You may not do that.",
    "Ask an owner.",
    "https://example.com/roles",
    "raw words of the cloud",
    "AuthorizationFailed",
)


def failed(step: str, title: str) -> list[Event]:
    """One step that fails while it is applied."""
    return [
        StepState(step=step, title=title, state="running", detail="1 to create"),
        StepState(step=step, title=title, state="failed", detail=REFUSED.message),
        Problem(source=step, error=REFUSED),
    ]


@pytest.mark.parametrize("size", SIZES)
async def test_a_newcomer_sees_every_step_what_it_will_do_and_what_to_press(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    async with at_setup(tmp_path, answers(), size) as pilot:
        await sees(pilot, "F1 Help")
        text = seen(pilot)
        for row in state_of(pilot).steps.values():
            assert row.title in text, row.title
        assert "will change · 7 to create" in text
        assert "17 changes to make · 4 as they should be" in text
        assert "A subscription is Azure's account" in text
        for key in ("Apply step", "Apply all", "Look again", "Quit", "F1"):
            assert key in text.splitlines()[-1]
        assert "Apply all (a)" in text


async def test_the_practice_cloud_tells_how_its_start_goes_on_before_there_are_steps(tmp_path: Path) -> None:
    started = [LogLine(source="sandbox", text="starting the practice cloud on this machine ...")]
    async with at_setup(tmp_path, answers(open=[Answer(started, held=True)]), looked=False) as pilot:
        await sees(pilot, "starting the practice cloud on this machine")
        first = seen(pilot)
        await until(pilot, lambda: seen(pilot) != first, 3)  # something moves


async def test_a_cloud_that_cannot_be_opened_is_explained_and_tried_again(tmp_path: Path) -> None:
    replay = answers(open=[Answer([Problem(error=REFUSED)], exit_code=3), Answer(recorded("open"))])
    async with at_setup(tmp_path, replay, looked=False) as pilot:
        await sees(pilot, "You may not do that.")
        assert "Press r to try again" in seen(pilot)
        await pilot.press("r")
        await sees(pilot, "17 changes to make")
        assert [asked for asked, _ in replay.asked].count("open") == 2


async def test_what_is_wrong_in_the_project_file_is_named_at_once(tmp_path: Path) -> None:
    wrong = ErrorCard(
        "There is a problem in the settings.",
        "Correct what is named, then run the command again.",
        raw="mlops.toml:3: cluster: unknown section",
        exit_code=2,
    )
    replay = answers(open=[Answer([Problem(error=wrong)], exit_code=2), Answer(recorded("open"))])
    async with at_setup(tmp_path, replay, looked=False) as pilot:
        await sees(pilot, "mlops.toml:3: cluster: unknown section")
        assert "then try again." in seen(pilot)
        assert "What the service said" not in seen(pilot)
        await pilot.press("r")
        await sees(pilot, "17 changes to make")


async def test_the_cursor_stays_with_its_step_while_everything_is_applied(tmp_path: Path) -> None:
    replay = answers(apply=[Answer(recorded("apply"), held=True)])
    async with at_setup(tmp_path, replay) as pilot:
        await go_to(pilot, "resource-group")
        await pilot.press("a")
        await until(pilot, lambda: isinstance(pilot.app.screen, ConfirmApply))
        await sees(pilot, "Make 17 changes in the practice cloud?")
        assert "Nothing costs anything here" in seen(pilot)
        await pilot.press("enter")
        await until(pilot, lambda: "apply" in dict(replay.asked))
        await sees(pilot, "Applying")
        await sees(pilot, "s Stop")
        replay.finish("apply")
        await sees(pilot, "Everything is set up. Press 2 to train.")
        assert pilot.app.screen.query_one(StepList).cursor == "resource-group"
        assert "steps" not in replay.arguments_of("apply")
        assert replay.arguments_of("apply")["plan"] == state_of(pilot).plan_id


async def test_saying_no_changes_nothing(tmp_path: Path) -> None:
    replay = answers()
    async with at_setup(tmp_path, replay) as pilot:
        await pilot.press("a")
        await until(pilot, lambda: isinstance(pilot.app.screen, ConfirmApply))
        await pilot.press("right", "enter")
        await until(pilot, lambda: not isinstance(pilot.app.screen, ConfirmApply))
        await pilot.press("a")
        await until(pilot, lambda: isinstance(pilot.app.screen, ConfirmApply))
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(pilot.app.screen, ConfirmApply))
        assert "apply" not in dict(replay.asked)
        assert isinstance(pilot.app.focused, StepList)  # where it was before the question


async def test_enter_applies_the_step_in_hand_and_nothing_else(tmp_path: Path) -> None:
    only = [event for event in recorded("apply") if getattr(event, "step", getattr(event, "source", "")) == "sign-in"]
    replay = answers(apply=[Answer(only)])
    async with at_setup(tmp_path, replay) as pilot:
        await pilot.press("enter")
        await sees(pilot, "16 changes to make · 5 as they should be")
        assert replay.arguments_of("apply")["steps"] == ["sign-in"]
        assert "done · 0.5 s · 1 updated" in seen(pilot) or "done · 0.4 s · 1 updated" in seen(pilot)


async def test_a_step_says_what_it_needs_before_it_can_be_applied(tmp_path: Path) -> None:
    replay = answers()
    async with at_setup(tmp_path, replay, (120, 40)) as pilot:
        await go_to(pilot, "cluster")
        await sees(pilot, "Apply first what it needs: Azure Databricks workspace.")
        await pilot.press("enter")
        await sees(pilot, "needs first: Azure Databricks")
        assert "apply" not in dict(replay.asked)
        assert "Apply step" not in seen(pilot).splitlines()[-2]  # no button for what cannot be done


async def test_a_step_that_is_as_it_should_be_has_nothing_to_apply(tmp_path: Path) -> None:
    replay = answers()
    async with at_setup(tmp_path, replay) as pilot:
        await go_to(pilot, "ml-workspace")
        await sees(pilot, "As it should be: nothing to do.")
        await pilot.press("enter")
        await sees(pilot, "it is as it should be")
        assert "apply" not in dict(replay.asked)


@pytest.mark.parametrize("size", SIZES)
async def test_what_fails_is_pointed_at_explained_and_tried_again(tmp_path: Path, size: tuple[int, int]) -> None:
    title = "Resource group"
    replay = answers(apply=[Answer(failed("resource-group", title), exit_code=3), Answer(recorded("apply"))])
    async with at_setup(tmp_path, replay, size) as pilot:
        await pilot.press("a")
        await until(pilot, lambda: isinstance(pilot.app.screen, ConfirmApply))
        await pilot.press("enter")
        await sees(pilot, "✖ You may not do that.")
        text = seen(pilot)
        assert "Ask an owner." in text
        assert "https://example.com/roles" in text
        assert "Resource group has failed." in text
        assert "raw words" not in text  # folded away
        assert pilot.app.screen.query_one(StepList).cursor == "resource-group"
        await pilot.press("y")
        assert "raw words of the cloud" in pilot.app.clipboard
        await pilot.press("a")
        await until(pilot, lambda: isinstance(pilot.app.screen, ConfirmApply))
        await pilot.press("enter")
        await sees(pilot, "Everything is set up.")
        assert "You may not do that." not in seen(pilot)


async def test_a_look_that_fails_is_repeated_with_r(tmp_path: Path) -> None:
    looked = [
        StepState(step="sign-in", title="Sign-in and subscription", state="checking"),
        StepState(step="sign-in", title="Sign-in and subscription", state="failed", detail=REFUSED.message),
        Problem(source="sign-in", error=REFUSED),
    ]
    replay = answers(plan=[Answer(looked, exit_code=3), Answer(recorded("plan"))])
    async with at_setup(tmp_path, replay, looked=False) as pilot:
        await sees(pilot, "Press r to try again, 0 to go back.")
        await pilot.press("a")
        await sees(pilot, "There is no plan to apply yet")
        await pilot.press("r")
        await sees(pilot, "17 changes to make")


async def test_stopping_asks_the_worker_and_says_what_it_means(tmp_path: Path) -> None:
    replay = answers(apply=[Answer(recorded("apply")[:12], exit_code=130, held=True)])
    async with at_setup(tmp_path, replay) as pilot:
        await pilot.press("a")
        await until(pilot, lambda: isinstance(pilot.app.screen, ConfirmApply))
        await pilot.press("enter")
        await until(pilot, lambda: state_of(pilot).doing == "applying")
        await pilot.press("s")
        await until(pilot, lambda: replay.cancelled == ["apply"])
        await until(pilot, lambda: not state_of(pilot).doing)
        assert state_of(pilot).appliable  # the rest can be applied


async def test_the_plan_names_changes_costs_and_warnings_on_lines_of_their_own(tmp_path: Path) -> None:
    change = Change(
        "replace", "cluster ML", "17.3 instead of 15.4", "databricks-workspace", "2 machines", "It restarts."
    )
    plan = [
        replace(event, changes=(change,)) if isinstance(event, Planned) and event.step == "cluster" else event
        for event in recorded("plan")
    ]
    async with at_setup(tmp_path, answers(plan=[Answer(plan)]), (120, 40)) as pilot:
        await go_to(pilot, "cluster")
        await open_tab(pilot, 2)
        for line in (
            "± replace cluster ML",
            "17.3 instead of 15.4",
            "known for certain after: Azure Databricks workspace",
            "costs 2 machines",
            "▲ It restarts.",
            "Nothing costs anything in the practice cloud",
        ):
            await sees(pilot, line)


async def test_outside_the_practice_cloud_a_step_that_costs_asks_first(tmp_path: Path) -> None:
    plan = [
        Planned(step="sign-in", title="Sign-in", changes=(Change("create", "thing", cost="1 EUR a day"),)),
        PlanReady(pending=1, kept=0),
    ]
    replay = answers(open=[Answer(with_settings(cloud="AzureCloud"))], plan=[Answer(plan)])
    async with at_setup(tmp_path, replay) as pilot:
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, ConfirmApply))
        await sees(pilot, "costs 1 EUR a day")
        assert "Nothing costs anything" not in seen(pilot)
        assert "AzureCloud" in seen(pilot)
        await pilot.press("enter")
        await until(pilot, lambda: "apply" in dict(replay.asked))


async def test_the_commands_by_hand_are_read_and_copied(tmp_path: Path) -> None:
    async with at_setup(tmp_path, answers(), (120, 40)) as pilot:
        await go_to(pilot, "resource-group")
        await open_tab(pilot, 3)
        await sees(pilot, "az group create --name mlops-wine-quality")
        await pilot.press("y")
        assert "az group create --name mlops-wine-quality --location westeurope" in pilot.app.clipboard
        await sees(pilot, "Copied")


async def test_a_step_log_grows_at_its_end(tmp_path: Path) -> None:
    lines = [LogLine(source="sign-in", text=f"line {number}") for number in range(250)]
    replay = answers(apply=[Answer(held=True)])
    async with at_setup(tmp_path, replay) as pilot:
        await open_tab(pilot, 4)
        await sees(pilot, "Nothing yet")
        await pilot.press("enter")
        await until(pilot, lambda: state_of(pilot).doing == "applying")
        replay.finish("apply", events=lines)
        await sees(pilot, "line 249")
        assert "Nothing yet" not in seen(pilot)
        log = pilot.app.screen.query_one(StepLog)
        log.focus()
        await pilot.press("home")
        await pilot.pause()
        before = log.scroll_offset
        state_of(pilot).steps["sign-in"].add(LogLine(source="sign-in", text="one more"))
        pilot.app.screen.query_one(StepTabs)
        pilot.app.desk.line.changed("setup")  # type: ignore[attr-defined]  # Pilot knows the app as any app
        await until(pilot, lambda: log._seen == 251)
        assert log.scroll_offset == before  # whoever reads further up is left there


HOSTILE = "[/subscriptions/abc] [red]x[/red] \x1b[31mred\x1b[0m \x07 \u202eevil ✨ " + "long " * 2_000


async def test_hostile_text_is_shown_as_text_everywhere(tmp_path: Path) -> None:
    title = "[/b] Group \x1b[2J"
    plan: list[Event] = []
    for event in recorded("plan"):
        if isinstance(event, Planned) and event.step == "sign-in":
            event = replace(event, changes=(Change("create", HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE),))
        plan.append(event)
    card = ErrorCard(HOSTILE, HOSTILE, "javascript:alert(1)", HOSTILE, HOSTILE)
    told: list[Event] = [
        LogLine(source="sign-in", text=HOSTILE, level="error"),
        StepState(step="sign-in", title=title, state="failed", detail=HOSTILE),
        Problem(source="sign-in", error=card),
        Problem(error=card),
    ]
    replay = answers(plan=[Answer(plan)], apply=[Answer(told, exit_code=1)])
    async with at_setup(tmp_path, replay) as pilot:
        await pilot.press("a")
        await until(pilot, lambda: isinstance(pilot.app.screen, ConfirmApply))
        await sees(pilot, "[/subscriptions/abc] [red]x[/red] red")
        await pilot.press("enter")
        await until(pilot, lambda: state_of(pilot).failed)
        for _ in range(5):
            await pilot.press("right_square_bracket")
            await pilot.pause(0.06)
            text = seen(pilot)
            assert "[/subscriptions/abc]" in text
            assert not {"\x1b", "\x07", "\u202e"} & set(text)
            assert "javascript" not in text


@pytest.mark.parametrize("size", SIZES)
async def test_with_the_mouse_alone(tmp_path: Path, size: tuple[int, int]) -> None:
    replay = answers()
    async with at_setup(tmp_path, replay, size) as pilot:
        lines = list(pilot.app.screen.query(StepLine))
        await pilot.click(lines[1])
        await until(pilot, lambda: pilot.app.screen.query_one(StepList).cursor == "resource-group")
        await pilot.click("#--content-tab-plan")
        await sees(pilot, "+ create resource group")
        await pilot.click("#all")
        await until(pilot, lambda: isinstance(pilot.app.screen, ConfirmApply))
        await pilot.click("#apply")
        await sees(pilot, "Everything is set up.")
        await pilot.click("#look")
        await until(pilot, lambda: [asked for asked, _ in replay.asked].count("plan") == 2)


async def test_taking_everything_down_is_meant_twice(tmp_path: Path) -> None:
    replay = answers(teardown=[Answer()], plan=[Answer(recorded("plan_done")), Answer(recorded("plan"))])
    async with at_setup(tmp_path, replay) as pilot:
        await pilot.press("D")
        await until(pilot, lambda: isinstance(pilot.app.screen, ConfirmTeardown))
        await pilot.press("enter")  # keeps everything: that is what has the focus
        await until(pilot, lambda: not isinstance(pilot.app.screen, ConfirmTeardown))
        assert "teardown" not in dict(replay.asked)
        await pilot.press("D")
        await until(pilot, lambda: isinstance(pilot.app.screen, ConfirmTeardown))
        await pilot.click("#remove")
        await sees(pilot, "17 changes to make")
        assert "teardown" in dict(replay.asked)


async def test_outside_the_practice_cloud_the_group_must_be_typed_to_take_it_down(tmp_path: Path) -> None:
    real = with_settings(cloud="AzureCloud", resource_group="rg-prod")
    replay = answers(open=[Answer(real)], teardown=[Answer()])
    async with at_setup(tmp_path, replay) as pilot:
        await pilot.press("D")
        await until(pilot, lambda: isinstance(pilot.app.screen, ConfirmTeardown))
        await pilot.press(*"rg-pro", "enter")
        await pilot.pause()
        assert "teardown" not in dict(replay.asked)
        await pilot.press("d", "enter")
        await until(pilot, lambda: "teardown" in dict(replay.asked))


async def test_coming_back_to_setup_finds_the_step_and_the_tab_as_they_were(tmp_path: Path) -> None:
    replay = answers(apply=[Answer(recorded("apply"), held=True)])
    async with at_setup(tmp_path, replay) as pilot:
        await go_to(pilot, "service-principal")
        await open_tab(pilot, 2)
        screen = pilot.app.screen
        await pilot.press("a")
        await until(pilot, lambda: isinstance(pilot.app.screen, ConfirmApply))
        await pilot.press("enter")
        await until(pilot, lambda: state_of(pilot).doing == "applying")
        await pilot.app.switch_mode("opening")
        replay.finish("apply")  # while one looks elsewhere
        await pilot.app.switch_mode("setup")
        assert pilot.app.screen is screen
        await sees(pilot, "Everything is set up.")
        assert screen.query_one(StepList).cursor == "service-principal"
        await sees(pilot, "= keep application MLOps-Databricks")


async def test_keys_go_through_steps_and_tabs_and_back(tmp_path: Path) -> None:
    async with at_setup(tmp_path, answers()) as pilot:
        steps = list(state_of(pilot).steps)
        step_list = pilot.app.screen.query_one(StepList)
        await pilot.press("n", "n", "p")
        assert step_list.cursor == steps[1]
        await pilot.press("end")
        assert step_list.cursor == steps[-1]
        await pilot.press("down")
        assert step_list.cursor == steps[-1]
        await pilot.press("left_square_bracket")
        assert pilot.app.screen.query_one(StepTabs).open_tab == "log"
        await pilot.press("right_square_bracket", "right")
        assert pilot.app.screen.query_one(StepTabs).has_focus_within
        await pilot.press("escape")
        assert step_list.has_focus


async def test_seconds_are_counted_only_while_something_runs(tmp_path: Path) -> None:
    running = [StepState(step="sign-in", title="Sign-in and subscription", state="running", detail="1 to update")]
    replay = answers(apply=[Answer(running, held=True)])
    async with at_setup(tmp_path, replay) as pilot:
        await pilot.press("enter")
        await sees(pilot, "running")
        first = seen(pilot)
        await until(pilot, lambda: seen(pilot) != first, 3)
        replay.finish("apply", exit_code=1)
        await until(pilot, lambda: not state_of(pilot).doing)
        await until(pilot, lambda: pilot.app.screen._clock is None)  # type: ignore[attr-defined]  # the setup screen's


async def test_the_end_of_setup_pops_up_where_it_is_not_seen_anyway(tmp_path: Path) -> None:
    replay = answers(apply=[Answer(recorded("apply"), held=True)])
    async with at_setup(tmp_path, replay) as pilot:
        for elsewhere in (False, True):
            pilot.app.clear_notifications()
            pilot.app.desk.setup.state.plan_id = "1"  # type: ignore[attr-defined]  # Pilot knows the app as any app
            pilot.app.desk.setup.apply()  # type: ignore[attr-defined]
            if elsewhere:
                await pilot.app.switch_mode("opening")
            await until(pilot, lambda: state_of(pilot).doing == "applying" and replay.asked[-1][0] == "apply")
            await pilot.pause()
            replay.finish("apply")
            await until(pilot, lambda: not state_of(pilot).doing)
            await pilot.pause()
            await pilot.pause()
            assert [toast.title for toast in pilot.app._notifications] == (["Setup"] if elsewhere else [])
