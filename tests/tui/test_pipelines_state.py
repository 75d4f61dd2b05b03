"""Pipelines as they are told: runs, their parts, whose log is read, and who must say yes."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from mlops_tui.events import (
    Event,
    PipelineApprovalAsked,
    PipelinePart,
    PipelinePartState,
    PipelineRunState,
    from_json,
    to_json,
)
from mlops_tui.spool import log_file
from mlops_tui.tui.state.pipelines import PipelinesState, RunRow, at_work, lines_of
from mlops_tui.tui.state.run_logs import log_of, writer_of
from mlops_tui.tui.words.parts import about_part
from mlops_tui.tui.words.pipelines import bar_words, ended_words, status_words
from tests.tui.pipelines import (
    AT,
    FAILED,
    MINE,
    THEIRS,
    approved,
    begun,
    earlier,
    listed,
    lost,
    parts,
    run,
    succeeded,
    training,
    waiting,
)


def state_of(*events: Event) -> PipelinesState:
    state = PipelinesState()
    for event in events:
        state.fold(event)
    return state


def row_of(*events: Event) -> RunRow:
    return state_of(*events).rows["19"]


def tree(row: RunRow, in_hand: str = "") -> list[str]:
    return [f"{'  ' * line.depth}{line.part.name}" for line in lines_of(row, in_hand or at_work(row))]


def part(name: str, **others: object) -> PipelinePart:
    known: dict[str, object] = {"id": name, "kind": "job", "name": name, "state": "queued", **others}
    return PipelinePart(**known)  # type: ignore[arg-type]  # by name, from a dict


def told(*each: PipelinePart) -> list[Event]:
    return [PipelinePartState(run="19", part=one, order=place, source=one.name) for place, one in enumerate(each)]


def test_the_newest_run_is_in_hand_until_a_person_chooses_another() -> None:
    state = state_of(listed(*earlier()))
    assert (state.host, state.chosen, list(state.rows)) == ("Azure DevOps", "18", ["18", "17", "16"])
    state.choose("17")
    state.fold(listed(run(19), *earlier()))
    assert state.chosen == "17"
    state.choose("nobody knows this one")
    assert state.chosen == "17"
    state.fold(listed(run(20)))
    assert state.chosen == "20", "the other one is listed no more"


def test_a_stage_is_told_with_its_only_job_and_its_steps_are_below_the_one_in_hand() -> None:
    row = row_of(*training())
    assert tree(row) == [
        "Train",
        "  Install mlops-tui",
        "  mlops-tui train",
        "  mlops-tui build",
        "  Publish drop",
        "Staging",
        "Production",
    ]
    assert tree(row, "Production")[-2:] == ["  Download drop", "  mlops-tui deploy production"]


def test_where_there_are_no_stages_jobs_are_at_the_top() -> None:
    row = row_of(
        *begun(),
        *told(part("train", state="running"), part("s", kind="step", parent="train", state="running"), part("staging")),
    )
    assert tree(row) == ["train", "  s", "staging"]
    row = row_of(*begun(), *told(part("train", state="succeeded"), part("production", state="waiting")))
    assert at_work(row) == "production"


def test_several_jobs_of_a_stage_are_told_apart() -> None:
    stage = part("Test", kind="stage", state="running")
    row = row_of(
        *begun(), *told(stage, part("a", parent="Test"), part("b", parent="Test"), part("s", kind="step", parent="b"))
    )
    assert tree(row, "a") == ["Test", "  a", "  b"]
    assert tree(row, "s") == ["Test", "  a", "  b", "    s"]


def test_parts_that_belong_to_each_other_in_a_circle_hang_nobody() -> None:
    row = row_of(*begun(), *told(part("a", parent="b"), part("b", parent="a"), part("c", parent="c"), part("d")))
    assert tree(row) == ["d"]
    assert writer_of(row, part("a", parent="b")).id == "a"


def test_what_is_at_work_is_in_hand_else_what_has_failed_else_what_was_last() -> None:
    assert at_work(row_of(*begun())) == ""
    assert at_work(row_of(*training())) == "Train/mlops-tui train"
    assert at_work(row_of(*training(), *waiting())) == "Production"
    assert at_work(row_of(*training(), *lost())) == "Staging/mlops-tui validate staging"
    assert at_work(row_of(*training(), *succeeded())) == "Production"


def test_the_log_of_a_stage_is_that_of_the_step_at_work_in_it() -> None:
    row = row_of(*training())
    row.folder = Path("logs")
    stage = row.parts["Train"].part
    assert writer_of(row, stage).name == "mlops-tui train"
    assert log_of(row, writer_of(row, stage)) == log_file(Path("logs"), "Train · mlops-tui train")
    assert log_of(row, None) == log_file(Path("logs"))
    row = row_of(*training(), *lost())
    assert writer_of(row, row.parts["Staging"].part).name == "mlops-tui validate staging"
    assert writer_of(row, row.parts["Train"].part).name == "Publish drop", "the last that has one"
    assert writer_of(row, row.parts["Production"].part).name == "Production", "nothing was printed there"


def test_where_steps_have_no_logs_their_job_has() -> None:
    job = part("train", has_log=True)
    row = row_of(*begun(), *told(job, part("step", kind="step", parent="train")))
    assert writer_of(row, row.parts["step"].part).id == "train"


def test_an_approval_that_is_mine_is_answered_first_and_is_gone_once_it_was_given() -> None:
    others = replace(THEIRS, id="approval-20", stage="Staging")
    row = row_of(*begun(), PipelineApprovalAsked(approval=others, command=""), *waiting())
    assert row.approval == MINE
    state = state_of(*begun(), *waiting())
    assert status_words(state, AT)[0] == "▲ Production waits for an approval. Press a to give it."
    state.fold(approved())
    assert state.rows["19"].approval is None
    assert "Run 20261122.3" not in status_words(state, AT)[0], "what the host said last"


def test_an_approval_that_is_for_others_names_them() -> None:
    state = state_of(listed(run(19, "waiting"), approvals=[THEIRS]))
    words = status_words(state, AT)[0]
    assert words == (
        "▲ Production waits for an approval by grace@contoso.com, [Contoso]\\Admins, "
        "on Azure DevOps (o opens the page)."
    )
    stage = part("Production", kind="stage", state="waiting")
    assert "[Contoso]\\Admins" in about_part(state.rows["19"], stage).plain


def test_a_run_that_ended_waits_for_nobody() -> None:
    state = state_of(*begun(), *waiting(), PipelineRunState(run=run(19, "canceled")))
    assert state.rows["19"].approval is None
    assert ended_words(state.rows["19"]) == "Run 20261122.3: canceled."


def test_a_failure_is_told_with_its_reason_and_where() -> None:
    state = state_of(*begun(), *lost())
    text, colour = status_words(state, AT)
    assert text.startswith("✖ Run 20261122.3 has failed after 5:12: Staging: Validation of build")
    assert colour == "error"
    row = state.rows["19"]
    assert about_part(row, row.parts[at_work(row)].part).plain == FAILED
    merged = next(line.part for line in lines_of(row, "Train") if line.part.id == "Staging")
    assert merged.detail == "", "its steps say it"


def test_what_is_followed_is_not_set_back_by_a_list_that_was_made_before() -> None:
    state = state_of(*begun(), *succeeded())
    row = state.rows["19"]
    row.following = True
    state.fold(listed(run(19, "running"), *earlier()))
    assert row.ended
    row.following = False
    state.fold(listed(run(19, "running"), *earlier()))
    assert [each.run.id for each in state.unfinished] == ["19"], "somebody has run it again"


def test_a_run_queued_just_now_stays_though_the_list_does_not_have_it_yet() -> None:
    state = state_of(listed(*earlier()), *begun())
    state.rows["19"].following = True
    state.fold(listed(*earlier()))
    assert list(state.rows) == ["19", "18", "17", "16"]
    assert "1 of 4" not in bar_words(state)


def test_a_run_in_the_queue_says_since_when_and_why() -> None:
    detail = "No hosted parallelism has been purchased or granted."
    state = state_of(PipelineRunState(run=run(19, "queued", started=None, detail=detail)))
    assert status_words(state, AT + 90)[0] == f"○ Run 20261122.3 waits for its turn · 1:30 · {detail}"


def test_times_run_while_a_run_does() -> None:
    row = row_of(PipelineRunState(run=run()))
    assert row.elapsed(AT + 65) == 60
    assert row.elapsed(AT - 1000) == 0, "the host's clock goes ahead of ours"


def test_the_stories_are_made_of_what_travels_through_the_pipe() -> None:
    events = [*training(), *waiting(), approved(), *succeeded(), *lost(), listed(*earlier(), approvals=[THEIRS])]
    assert [from_json(to_json(event)) for event in events] == events


def test_a_run_of_a_thousand_steps_is_no_burden() -> None:
    steps = [part(f"step {number}", kind="step", parent="job") for number in range(1000)]
    row = row_of(*begun(), *told(part("job", state="running"), *steps))
    began = time.perf_counter()
    assert len(tree(row, "job")) == 1001
    assert time.perf_counter() - began < 1.0
    assert parts()


def test_of_a_job_on_github_one_reads_the_step_that_took_longest_for_the_last_one_only_cleans_up() -> None:
    steps = [
        part(name, kind="step", parent="train", state="succeeded", has_log=True, started=1.0, finished=1.0 + seconds)
        for name, seconds in (("Set up job", 0.0), ("mlops-tui train", 9.0), ("Complete job", 0.1))
    ]
    row = row_of(*begun(), *told(part("train", state="succeeded", has_log=True), *steps))
    assert writer_of(row, row.parts["train"].part).name == "mlops-tui train"
