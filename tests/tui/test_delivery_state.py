"""Delivery as it is told: lanes, jobs, what comes next, and what the cloud says afterwards."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from mlops_tui.events import (
    EndpointsRead,
    Event,
    ImagesListed,
    Lane,
    LaneState,
    LogLine,
    Problem,
    Validated,
    from_json,
    to_json,
)
from mlops_tui.tui.state.delivery import LANES, DeliveryState, Job, TryOut
from mlops_tui.tui.state.history import HistoryState
from mlops_tui.tui.state.lanes import lane_row, next_step
from mlops_tui.tui.words.deliveries import ended_words, status_words
from mlops_tui.tui.words.lanes import answering_text, delivered_word, endpoint_card, lane_text
from mlops_tui.tui.words.trying import answered_text, number_in, number_text
from mlops_tui.tui.words.verdicts import comparison_text
from tests.tui.deliveries import (
    AT,
    LOST,
    NEW,
    OLD,
    answering,
    asked,
    building,
    built,
    deployed,
    image,
    images,
    nothing_answers,
    predicted,
    production,
    rows,
    staging,
    trained,
    validated,
    verdict,
)

INTERRUPTED = 130


def state_of(*events: Event, builds: tuple[str, ...] = (NEW, OLD)) -> DeliveryState:
    history = HistoryState()
    history.fold(trained(*builds))
    state = DeliveryState(history)
    for event in events:
        state.fold(event)
    return state


def begun(state: DeliveryState, lane: Lane = "image", do: str = "build") -> Job:
    job = Job(do, lane, Path("logs"), NEW)
    state.begin(job)
    return job


def words(state: DeliveryState) -> list[str]:
    return [lane_row(state, lane).state for lane in LANES]


def test_nothing_is_there_until_something_is_trained() -> None:
    assert state_of(nothing_answers(), images(), builds=()).nothing_there
    assert not state_of(nothing_answers(), images()).nothing_there
    assert not state_of(answering(staging(OLD)), builds=()).nothing_there, "somebody else has deployed"


def test_a_build_goes_its_way_step_by_step() -> None:
    state = state_of(nothing_answers(), images())
    assert (state.build, next_step(state), words(state)) == (NEW, "build", ["waiting"] * 5)
    state.fold(images(image()))
    assert (next_step(state), words(state)) == ("deploy", ["done", *["waiting"] * 4])
    state.fold(answering(staging()))
    assert (next_step(state), words(state)) == ("validate", ["done", "done", *["waiting"] * 3])
    state.fold(images(image(verdict="passed")))
    assert (next_step(state), words(state)) == ("approve", ["done", "done", "done", "waiting", "waiting"])
    state.fold(images(image(verdict="passed", approved_by="ada")))
    state.fold(answering(staging(), production()))
    assert (next_step(state), words(state)) == ("", ["done"] * 5)
    assert "answers in production" in status_words(state, "", 0.0)[0]


def test_what_was_found_in_an_earlier_sitting_is_still_told_in_short() -> None:
    found = "equals training: rmse 0.71, trained 0.71; champion: [nothing] is in production yet"
    state = state_of(images(image(verdict="passed", verdict_at=AT, verdict_detail=found)))
    told = lane_text(state, "validation").plain
    assert told.startswith("verdict     ✔ passed, 20")
    assert told.endswith(f"\n\nWhat the validation has found\n{found}")
    state.fold(Validated(verdict=verdict()))
    assert "better" in lane_text(state, "validation").plain, "measured here: with the table"
    assert found not in lane_text(state, "validation").plain


def test_an_application_that_approves_is_told_from_a_person() -> None:
    number = "5a4d0b0c-0000-4000-8000-00000000c11e"
    state = state_of(images(image(approved_by=number), image(OLD, approved_by="ada@example.com")))
    assert lane_row(state, "approval").detail == f"by the application {number}"
    state.choose(OLD)
    assert lane_row(state, "approval").detail == "by ada@example.com"


def test_a_failed_verdict_is_where_going_on_ends() -> None:
    state = state_of(images(image(verdict="failed")), answering(staging()))
    assert next_step(state) == ""
    assert lane_row(state, "validation").state == "failed"
    assert "The verdict on build 18 is: failed" in status_words(state, "", 0.0)[0]
    state.fold(answering(staging(), production()))
    assert "answers in production, against its verdict" in status_words(state, "", 0.0)[0]


def test_a_passed_build_needs_no_staging_again() -> None:
    state = state_of(images(image(verdict="passed")), answering(staging(OLD)))
    assert next_step(state) == "approve"
    assert (lane_row(state, "staging").build, lane_row(state, "staging").detail) == (OLD, "answers there")


def test_the_newest_build_that_is_good_enough_is_the_one_on_show_until_a_person_chooses() -> None:
    history, state = HistoryState(), state_of()
    missed = replace(trained("19").results[0], passed=False)
    history.fold(replace(trained(NEW, OLD), results=(missed, *trained(NEW, OLD).results)))
    state = DeliveryState(history)
    assert state.builds == ("19", NEW, OLD)
    assert state.build == NEW
    state.choose(OLD)
    assert state.build == OLD
    history.fold(trained("20", NEW, OLD))
    assert state.build == "20", "what has been trained since is what one wants to deliver"


def test_a_job_is_seen_at_work_at_once_and_its_time_runs() -> None:
    state = state_of(images(), nothing_answers())
    job = begun(state)
    assert lane_row(state, "image").state == "running"
    state.told["image"].since = job.since - 100
    for event in building():
        state.fold(event)
    row = lane_row(state, "image")
    assert row.elapsed(time.monotonic()) == pytest.approx(100, abs=5), "it began when it was asked for"
    assert (job.job_run, row.title) == ("2001", "Container image in the registry")
    for event in built():
        state.fold(event)
    state.end(0, INTERRUPTED)
    row = lane_row(state, "image")
    assert (row.state, row.seconds) == ("done", 42.0)
    assert state.image_of(NEW) == image()
    assert state.running is None
    assert ended_words(state, job, 0, INTERRUPTED) == ("information", "The image of build 18 is ready.")


def test_what_the_cloud_says_counts_after_a_job_and_the_time_it_took_is_kept() -> None:
    state = state_of(images(image()), nothing_answers())
    begun(state, "staging", "deploy")
    for event in deployed():
        state.fold(event)
    state.end(0, INTERRUPTED)
    state.fold(answering(staging()))
    row = lane_row(state, "staging")
    assert (row.state, row.detail, row.seconds) == ("done", "healthy", 30.0)
    state.fold(nothing_answers())
    assert lane_row(state, "staging").state == "waiting", "somebody has removed it"


def test_a_failure_stays_until_it_is_tried_again() -> None:
    state = state_of(images(), nothing_answers())
    job = begun(state)
    state.fold(Problem(error=LOST))
    state.end(1, INTERRUPTED)
    state.fold(images())
    row = lane_row(state, "image")
    assert (row.state, row.detail) == ("failed", LOST.message)
    assert ended_words(state, job, 1, INTERRUPTED)[0] == "error"
    assert LOST.message in status_words(state, "build", 0.0)[0]
    state.choose(OLD)
    assert lane_row(state, "image").state == "waiting", "that was another build"
    begun(state)
    assert not state.problems


def test_a_problem_belongs_to_the_lane_that_was_at_work() -> None:
    state = state_of(images(image(verdict="passed")), answering(staging()))
    begun(state, "production", "deploy")
    state.fold(LaneState(lane="approval", title="Approval", state="running", build=NEW))
    state.fold(Problem(error=LOST, source="approval"))
    assert state.problems == {"approval": LOST}


def test_an_interrupted_job_is_told_as_such() -> None:
    state = state_of(images(), nothing_answers())
    job = begun(state)
    state.end(INTERRUPTED, INTERRUPTED)
    assert lane_row(state, "image").state == "warning"
    assert ended_words(state, job, INTERRUPTED, INTERRUPTED)[0] == "warning"


def test_an_endpoint_that_is_ill_is_no_success() -> None:
    ill = replace(staging(), health="unhealthy", detail="the container was restarted 4 times")
    state = state_of(images(image()), answering(ill))
    row = lane_row(state, "staging")
    assert (row.state, row.detail) == ("failed", "the container was restarted 4 times")
    assert (
        lane_row(state_of(images(image()), answering(replace(ill, health="starting"))), "staging").state == "checking"
    )


def test_a_rollback_is_seen_whichever_build_is_on_show() -> None:
    state = state_of(images(image(), image(OLD)), answering(staging(), production()))
    job = Job("rollback", "production", Path("logs"), OLD)
    state.begin(job)
    assert state.build == OLD, "what comes back is what one looks at"
    assert lane_row(state, "production").state == "running"
    state.fold(answering(staging(), production(OLD, NEW)))
    state.end(0, INTERRUPTED)
    assert lane_row(state, "production").state == "done"
    state.choose(NEW)
    state.fold(answering(staging(), production(OLD, NEW)))
    row = lane_row(state, "production")
    assert (row.build, row.detail) == (OLD, "answers there; u brings this back")


def test_a_verdict_is_kept_with_its_image() -> None:
    state = state_of(images(image(), image(OLD)), answering(staging()))
    begun(state, "validation", "validate")
    for event in validated(passed=False):
        state.fold(event)
    assert state.verdicts[NEW] == verdict(passed=False)
    assert [each.verdict for each in state.images] == ["failed", ""], "and in its place"


def test_champion_and_challenger_stand_side_by_side() -> None:
    lines = comparison_text(verdict()).plain.splitlines()
    assert lines[0].split() == ["metric", "trained", "staging", "production"]
    assert lines[1].split() == ["RMSE", "0.7100", "0.7100", "0.7400", "better"]
    assert lines[2].split() == ["MAE", "0.5500", "0.5500", "0.5500", "equal"]
    assert lines[3].split() == ["R2", "0.2900", "0.2900", "0.2200", "better"]
    worse = comparison_text(verdict(passed=False)).plain.splitlines()
    assert [line.split()[-1] for line in worse[1:4]] == ["worse", "equal", "worse"]
    alone = comparison_text(verdict(champion="")).plain
    assert "production" not in alone.splitlines()[0]
    assert "no champion" in alone


def test_the_card_of_an_endpoint_tells_who_gets_the_traffic() -> None:
    card = endpoint_card(production()).plain
    assert "blue  ░░░░░░░░░░   0 %  17" in card
    assert "green ██████████ 100 %  18" in card
    assert "build 17 (u brings it back)" in card
    assert "✔ healthy (Succeeded)" in card
    alone = replace(staging(), deployments=(replace(staging().deployments[0], traffic=100, state="Updating"),))
    assert "traffic     ██████████ 100 %  18  Updating" in endpoint_card(alone).plain


def test_how_far_a_build_has_come_in_a_word_and_in_a_sentence() -> None:
    state = state_of(images(image(verdict="passed"), image(OLD)), answering(staging(), production(OLD, "")))
    assert (delivered_word(state, NEW), delivered_word(state, OLD), delivered_word(state, "3")) == (
        "staging",
        "production",
        "",
    )
    assert answering_text(state, NEW) == "image winequality 4, ✔ passed, answers in staging"
    state.fold(nothing_answers())
    assert (delivered_word(state, NEW), delivered_word(state, OLD)) == ("✔ passed", "image")


def test_a_prediction_stands_beside_the_truth() -> None:
    tried = TryOut("staging", NEW)
    tried.fold(rows())
    tried.fold(predicted())
    text = answered_text(tried, edited=False).plain
    assert text.splitlines()[0] == "Predicted 5.2345 · actual 5, off by 0.2345"
    assert text.splitlines()[1] == "Answered by build 18 (wine-quality-aci) in 13 ms."
    assert "before you changed the row" in answered_text(tried, edited=True).plain
    tried.fold(Problem(error=LOST))
    assert tried.predicted is None


def test_numbers_are_taken_as_people_write_them() -> None:
    assert [number_in(text) for text in ("7,4", " 0.7 ", "-1e3", "red", "")] == [7.4, 0.7, -1000.0, None, None]
    assert [number_text(value) for value in (7.0, 0.9968299999999999, None)] == ["7", "0.99683", ""]


def test_what_goes_into_no_log_is_told_in_the_status_line() -> None:
    state = state_of(images(image()), answering(staging()))
    begun(state, "validation", "validate")
    state.fold(LogLine(source="validation", text="400 rows sent\x1b[31m"))
    assert "400 rows sent" in status_words(state, "", time.monotonic())[0]


def test_the_stories_are_made_of_what_travels_through_the_pipe() -> None:
    events = [*building(), *built(), *deployed("production"), *validated(), rows(), predicted(), asked()]
    assert [from_json(to_json(event)) for event in events] == events


def test_a_thousand_images_are_no_burden() -> None:
    many = [image(f"{number}") for number in range(15, 1015)]
    state = state_of(ImagesListed(images=tuple(many)), EndpointsRead(endpoints=()))
    began = time.perf_counter()
    for _ in range(20):
        words(state)
    assert time.perf_counter() - began < 1.0
