"""How runs of the pipeline read as plain text."""

from __future__ import annotations

import io
from dataclasses import replace

from mlops_tui import events
from mlops_tui.events import Event
from mlops_tui.headless.text import PlainText
from tests.unit.pipeline_events import PIPELINE_EVENTS
from tests.unit.pipeline_host import ASKED, RUN, TREE


def printed(*shown: Event) -> list[str]:
    out = io.StringIO()
    reporter = PlainText(out, out)
    for event in shown:
        reporter.show(event)
    return out.getvalue().splitlines()


def state(part: str, source: str, **changed: object) -> events.PipelinePartState:
    return events.PipelinePartState(run="17", part=replace(TREE[part], **changed), order=0, source=source)  # type: ignore[arg-type]


def test_a_run_says_what_it_builds_and_how_it_ended() -> None:
    running = replace(RUN, state="running", started=1.79e9)
    ended = replace(running, state="failed", finished=1.79e9 + 92.34, detail="no agents")
    assert printed(*(events.PipelineRunState(run=run) for run in (RUN, running, ended))) == [
        "[queued] Run 17, build 20261128.1 of main",
        "[running] Run 17, build 20261128.1 of main",
        "[failed] Run 17, build 20261128.1 of main  no agents  92.3 s",
    ]


def test_parts_are_told_when_their_state_changes_and_what_says_nothing_new_is_not() -> None:
    step = "Train · mlops-tui train"
    assert printed(
        state("s1", "Train"),
        state("s1", "Train", state="running", started=1.0),
        state("j1", "Train", state="running"),
        state("t2", step, state="running", started=1.0),
        replace(state("t2", step, state="running", started=1.0), order=3),
        state("t2", step, state="running", started=1.0, has_log=True),
        state(
            "t2",
            step,
            state="failed",
            started=1.0,
            finished=3.5,
            detail="[bold]The gate[/bold] is missed.\nExit code 1",
        ),
        state("t3", "Production · mlops-tui deploy production", state="skipped"),
        state("s1", "Train", state="failed", started=1.0, finished=5.0),
        state("s2", "Production", state="skipped"),
    ) == [
        "[running] Train",
        "[running] Train · mlops-tui train",
        "[failed] Train · mlops-tui train  2.5 s",
        "    [bold]The gate[/bold] is missed.",
        "    Exit code 1",
        "[failed] Train  4.0 s",
        "[skipped] Production",
    ]


def test_an_approval_says_who_may_and_how() -> None:
    asked, approved = PIPELINE_EVENTS[2:4]
    assert printed(asked, approved) == [
        "Run 17 waits for somebody's yes: Production (environment wine-quality-production)",
        "  Approvers   ada@example.com",
        "  To approve  mlops-tui ci approve 17",
        "Approved: Production of run 17, by somebody on the host",
    ]
    theirs = events.PipelineApprovalAsked(approval=replace(ASKED, mine=False), command="mlops-tui ci approve 17")
    assert "  Approvers   ada@example.com (not you)" in printed(theirs)


def test_runs_are_a_table_with_the_numbers_that_other_commands_take() -> None:
    heading, titles, waiting, ended, *rest = printed(PIPELINE_EVENTS[-1])
    assert heading == "Runs of the pipeline on Azure DevOps"
    assert titles.split() == ["Run", "Build", "State", "Branch", "Reason", "Queued", "Time"]
    assert waiting.split()[:5] == ["17", "20261128.1", "waiting", "main", "manual"]
    assert ended.split()[:3] == ["16", "20261127.4", "failed"]
    assert ended.endswith("92.3 s")
    assert rest == [
        "Run 17 waits for somebody's yes: Production (environment wine-quality-production)",
        "  To approve  mlops-tui ci approve 17",
        "Page  https://dev.azure.com/contoso",
    ]
    none = events.PipelineRunsListed(host="GitHub", page="https://github.com/o/r/actions", runs=())
    assert "  None yet. Start one with `mlops-tui ci run --follow`." in printed(none)
    flagged = replace(none, flags=("--ci-host", "github"))
    assert "  None yet. Start one with `mlops-tui ci run --follow --ci-host github`." in printed(flagged)
    assert all(len(line) <= 80 for line in (titles, waiting, ended))
