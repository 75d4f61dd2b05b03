"""What setup knows, and says in words, as events come in."""

from __future__ import annotations

from mlops_tui.events import Change, ErrorCard, LogLine, Planned, PlanReady, Problem, StepDescription, StepsDescribed
from mlops_tui.events import StepState as State
from mlops_tui.tui.state.setup import BROKEN_OFF, MOST_LINES, SetupState
from mlops_tui.tui.words.setup import DONE, costs_of, next_words, pending_words, state_words, status_words, warnings_of
from tests.tui.replay import recorded


def looked(name: str = "plan") -> SetupState:
    state = SetupState()
    for event in recorded("open"):
        state.fold(event)
    state.begin("looking")
    for event in recorded(name):
        state.fold(event)
    state.end()
    state.plan_id = "1"
    return state


def test_counts_read_well() -> None:
    assert pending_words(12, 3) == "12 changes to make · 3 as they should be"
    assert pending_words(1, 1) == "1 change to make · 1 as it should be"
    assert pending_words(0, 2) == "nothing to change · 2 as they should be"
    assert pending_words(2, 0) == "2 changes to make"


def test_the_line_below_follows_what_is_going_on() -> None:
    state = SetupState()
    state.begin("looking")
    assert status_words(state)[1].startswith("Getting ready · ")
    state.fold(LogLine(source="sandbox", text="starting the practice cloud \x1b[1m..."))
    assert status_words(state)[1].startswith("starting the practice cloud ... · ")
    state = looked()
    assert status_words(state) == ("open", "17 changes to make · 4 as they should be")
    state.begin("applying")
    state.fold(State(step="cluster", title="Cluster", state="running"))
    assert status_words(state)[1].startswith("Applying: Cluster and its libraries · ")
    state.end()
    state.plan_id = ""
    assert status_words(state) == ("warning", "The plan is out of date. Press r to look again.")
    assert status_words(looked("plan_done")) == ("done", DONE)


def test_a_problem_of_everything_outranks_the_plan() -> None:
    state = looked()
    state.fold(Problem(error=ErrorCard("The disk is full.")))
    mood, text = status_words(state)
    assert (mood, len(text) < 76) == ("failed", True)  # what to press is not clipped; the card says what is wrong
    assert "Press r to try again, 0 to go back." in text
    state.begin("looking")
    assert status_words(state)[0] == "busy"


def test_what_was_skipped_is_to_be_done_again_once_what_held_it_up_is_there() -> None:
    state = looked()
    state.begin("applying")
    for name in ("resource-group", "databricks-workspace", "service-principal"):
        failed = name == "resource-group"
        state.fold(State(step=name, title=name, state="failed" if failed else "skipped", detail="it failed"))
    state.end()
    assert state.steps["databricks-workspace"].state == "skipped"
    assert status_words(state) == ("failed", "Resource group has failed. Press a to try again.")
    state.begin("applying")
    state.fold(State(step="resource-group", title="Resource group", state="done"))
    state.end()
    workspace = state.steps["databricks-workspace"]
    assert (workspace.state, workspace.detail) == ("will change", "1 to create")


def test_a_step_whose_end_nobody_could_tell_is_not_shown_as_running() -> None:
    state = looked()
    state.begin("applying")
    state.fold(State(step="resource-group", title="Resource group", state="running", detail="1 to create"))
    state.fold(State(step="databricks-workspace", title="Databricks", state="waiting", detail="1 to create"))
    state.fold(Problem(error=ErrorCard("The engine has ended unexpectedly (exit code -9).")))
    state.end()
    assert (state.steps["resource-group"].state, state.steps["resource-group"].detail) == ("warning", BROKEN_OFF)
    state.plan_id = ""
    assert next_words(state, state.steps["resource-group"]) == "The plan is out of date. Press r to look again."


def test_what_a_step_needs_is_told_until_it_is_there() -> None:
    state = looked()
    scope = state.steps["secret-scope"]
    assert next_words(state, scope) == (
        "Apply first what it needs: Sign-in and subscription, Azure Databricks workspace, Service principal. "
        "Or press a to apply everything."
    )
    first = ("sign-in", "resource-group", "databricks-workspace", "service-principal")
    state.begin("applying")
    for event in recorded("apply"):
        if isinstance(event, State) and (event.state == "waiting" or event.step in first):
            state.fold(event)
    assert next_words(state, scope) == "Its turn comes when what it needs is done."
    state.end()
    assert state.unmet("secret-scope") == []
    assert next_words(state, scope).startswith("Press Enter to apply it")
    assert state.pending == 17 - 1 - 1 - 1 - 3


def test_short_times_are_not_told() -> None:
    state = looked()
    state.fold(State(step="cluster", title="Cluster", state="done", detail="1 created", seconds=0.04))
    assert state_words(state.steps["cluster"]) == "done · 1 created"
    state.fold(State(step="cluster", title="Cluster", state="done", detail="1 created", seconds=61.2))
    assert state_words(state.steps["cluster"]) == "done · 1:01 · 1 created"


def test_costs_and_warnings_are_each_said_once() -> None:
    state = SetupState()
    changes = (Change("create", "a", cost="5 EUR", warning="slow"), Change("create", "b", cost="5 EUR"))
    state.fold(Planned(step="x", title="X", changes=changes))
    assert costs_of(state.steps.values()) == ["5 EUR"]
    assert warnings_of(state.steps.values()) == ["slow"]


def test_a_step_keeps_its_last_lines_alone() -> None:
    state = looked()
    for number in range(MOST_LINES + 5):
        state.fold(LogLine(source="cluster", text=f"{number}"))
    row = state.steps["cluster"]
    assert (len(row.log), row.logged, row.log[-1].text) == (MOST_LINES, MOST_LINES + 5, f"{MOST_LINES + 4}")


def test_a_plan_without_changes_is_ready_and_cannot_be_applied() -> None:
    state = SetupState()
    state.plan_id = "1"
    state.fold(PlanReady(pending=0, kept=3))
    assert state.ready
    assert not state.appliable


def test_a_need_that_nobody_has_described_is_no_obstacle() -> None:
    state = SetupState()
    step = StepDescription("x", "X", "", "", ("elsewhere",), (), "")
    state.fold(StepsDescribed(steps=(step,)))
    assert state.unmet("x") == []


def test_a_step_that_nobody_has_chosen_says_so_and_where_to_choose_it() -> None:
    state = SetupState()
    own = StepDescription("repository", "Repository", "", "", (), ("ci_host",), "")
    folder = StepDescription("git-folder", "Git folder", "", "", ("repository",), ("git_folder",), "")
    state.fold(StepsDescribed(steps=(own, folder)))
    state.begin("looking")
    for step in (own, folder):
        state.fold(State(step=step.name, title=step.title, state="done", seconds=0.3))
        assert not state.steps[step.name].unwanted, "the plan has not told yet"
        state.fold(Planned(step=step.name, title=step.title, changes=()))
    state.end()
    rows = list(state.steps.values())
    assert [(row.state, state_words(row)) for row in rows] == [("skipped", "not chosen: set ci.host")] * 2
    assert next_words(state, rows[0]).endswith("choose one in the tab Settings: ci host.")
    assert next_words(state, rows[1]).endswith("choose one at the step Repository, in its tab Settings.")
    state.begin("looking")
    assert not any(row.unwanted for row in rows), "another host may have been chosen"
