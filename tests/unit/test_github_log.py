"""A job's log of GitHub Actions, cut into its steps, whatever the steps print."""

from __future__ import annotations

from typing import Any

from mlops_tui.clouds.github_log import lines_of, of_step, without_moments
from mlops_tui.clouds.github_runs import detail_of, parts_of, run_of

LOG = """\ufeff2026-11-28T12:00:00.1000000Z Current runner version: '2.337.0'
2026-11-28T12:00:00.2000000Z ##[group]GITHUB_TOKEN Permissions
2026-11-28T12:00:00.3000000Z ##[endgroup]
2026-11-28T12:00:01.1000000Z ##[group]Run actions/checkout@v5
2026-11-28T12:00:01.2000000Z ##[endgroup]
2026-11-28T12:00:03.5000000Z ##[group]Run mlops-tui train
2026-11-28T12:00:03.6000000Z ##[endgroup]
2026-11-28T12:00:04.0000000Z ##[group]Run 1 of 3
2026-11-28T12:00:04.1000000Z rmse 0.7
2026-11-28T12:00:04.2000000Z 
2026-11-28T12:00:04.3000000Z 2026-11-28T12:00:04.0000000Z quoted
2026-11-28T12:00:09.1000000Z ##[group]Run mlops-tui build
2026-11-28T12:00:09.2000000Z ##[error]Process completed with exit code 1.
2026-11-28T12:00:10.0000000Z Post job cleanup.
2026-11-28T12:00:10.5000000Z Cleaning up orphan processes
"""  # noqa: W291 (GitHub's empty lines)


def step(number: int, name: str, started: str, conclusion: str = "success") -> dict[str, Any]:
    at = f"2026-11-28T12:00:{started}Z" if started else None
    return {"number": number, "name": name, "status": "completed", "conclusion": conclusion, "started_at": at}


STEPS = [
    step(1, "Set up job", "00"),
    step(2, "Run actions/checkout@v5", "01"),
    step(3, "Run mlops-tui train", "03"),
    step(4, "Only on failure", "09", "skipped"),
    step(5, "Run mlops-tui build", "09", "failure"),
    step(9, "Post Run actions/checkout@v5", "10"),
    step(10, "Complete job", "10"),
]


def test_only_what_ends_a_line_on_github_ends_one() -> None:
    assert lines_of("\ufeffone\u2028still\x0bone\r\ntwo\n\nfour") == ["one\u2028still\x0bone", "two", "", "four"]
    assert lines_of("") == []


def lines(number: int) -> list[str]:
    return list(without_moments(of_step(lines_of(LOG), STEPS, number)))


def test_each_step_has_its_own_lines_and_a_group_that_it_prints_is_no_step() -> None:
    assert lines(1)[0] == "Current runner version: '2.337.0'"
    assert lines(2) == ["##[group]Run actions/checkout@v5", "##[endgroup]"]
    assert lines(3)[0] == "##[group]Run mlops-tui train"
    assert lines(3)[2:] == ["##[group]Run 1 of 3", "rmse 0.7", "", "2026-11-28T12:00:04.0000000Z quoted"]
    assert lines(4) == []
    assert lines(5)[-1] == "##[error]Process completed with exit code 1."
    assert lines(9) == ["Post job cleanup."]
    assert lines(10) == ["Cleaning up orphan processes"]


def test_all_lines_are_in_one_step_each() -> None:
    assert [line for one in STEPS for line in lines(one["number"])] == list(without_moments(lines_of(LOG)))


def test_of_two_beginnings_in_one_second_the_one_that_looks_like_the_step_counts() -> None:
    log = [
        "2026-11-28T12:00:01.1000000Z ##[group]Run echo one",
        "2026-11-28T12:00:01.2000000Z shell: bash -e {0}",
        "2026-11-28T12:00:01.3000000Z ##[endgroup]",
        "2026-11-28T12:00:01.4000000Z ##[group]Run away",
        "2026-11-28T12:00:01.5000000Z one",
        "2026-11-28T12:00:01.6000000Z ##[group]Run echo two",
        "2026-11-28T12:00:01.7000000Z shell: bash -e {0}",
        "2026-11-28T12:00:01.8000000Z ##[endgroup]",
        "2026-11-28T12:00:01.9000000Z ##[group]Run echo three",
        "2026-11-28T12:00:01.9100000Z ##[endgroup]",
    ]
    steps = [step(2, "One", "01"), step(3, "Two", "01"), step(4, "Run echo three", "01")]
    assert [len(of_step(log, steps, number)) for number in (2, 3, 4)] == [5, 3, 2]


def test_a_log_that_is_cut_short_gives_what_there_is() -> None:
    cut = lines_of(LOG)[:6]
    assert len(of_step(cut, STEPS, 3)) == 1
    assert list(of_step(cut, STEPS, 5)) == []


def test_a_build_is_named_by_the_title_of_its_run() -> None:
    shown = {"id": 17, "run_number": 4, "status": "completed", "conclusion": "cancelled", "event": "workflow_dispatch"}
    times = {"created_at": "2026-11-28T12:00:00Z", "run_started_at": "2026-11-28T12:00:00Z", "updated_at": None}
    run = run_of(shown | times | {"display_title": "Build 2026.7"})
    assert (run.number, run.state, run.reason) == ("2026.7", "canceled", "manual")
    assert run_of(shown | times | {"display_title": "Add notebooks"}).number == "4"


def test_what_a_job_says_went_wrong_is_told_and_that_it_went_wrong_is_not() -> None:
    def note(level: str, message: str, path: str = ".github", line: int = 1) -> dict[str, Any]:
        return {"annotation_level": level, "message": message, "path": path, "start_line": line}

    told = [
        note("failure", "rmse 0.9 is not\nbelow 0.8", "mlops.toml", 17),
        note("notice", "cached"),
        note("warning", "node20 is past its end"),
        note("failure", "Process completed with exit code 1."),
    ]
    assert detail_of(told) == "mlops.toml:17: rmse 0.9 is not below 0.8\nnode20 is past its end"


def test_a_log_is_there_when_its_job_has_ended() -> None:
    job = {"id": 5, "name": "Train", "status": "in_progress", "conclusion": None, "steps": STEPS}
    going = parts_of(job)
    assert [part.id for part in going][:3] == ["5", "5/1", "5/2"]
    assert not any(part.has_log for part in going)
    ended = parts_of(job | {"status": "completed", "conclusion": "failure"})
    assert [part.id for part in ended if not part.has_log] == ["5/4"]
    assert {part.parent for part in ended} == {"", "5"}
