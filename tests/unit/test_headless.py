"""What the front ends without a screen print."""

from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path

import pytest

from mlops_tui import events, redaction
from mlops_tui.events import (
    Change,
    Choice,
    ErrorCard,
    Event,
    JobRun,
    RunResult,
    SettingValue,
    SignIn,
    StepDescription,
)
from mlops_tui.headless.json_lines import JsonLines
from mlops_tui.headless.text import PlainText
from mlops_tui.journal import Journal
from tests.unit.delivery_events import DELIVERY_EVENTS
from tests.unit.pipeline_events import PIPELINE_EVENTS

HOSTILE = "[/subscriptions/abc] [bold]x[/bold] \x1b[31mred\x1b[0m :smile: \u202eright to left"
RUNS = (
    RunResult("a", {"alpha": 0.5}, "succeeded", {"rmse": 0.79, "mae": 0.63, "r2": 0.1}, 1.5, best=False, passed=True),
    RunResult("b", {"alpha": 0.1}, "succeeded", {"rmse": 0.71, "mae": 0.55, "r2": 0.25}, 1.2, best=True, passed=True),
    RunResult("c", {"alpha": 0.9}, "failed"),
)
EVERY_EVENT: tuple[Event, ...] = (
    events.CommandStarted(command="up", cloud="sandbox", project="wine-quality", version="1"),
    events.StepState(step="s", title="A step", state="running", detail=HOSTILE),
    events.Planned(step="s", title="A step", changes=(Change("create", HOSTILE, "why", "sign-in", "1 €/h"),)),
    events.PlanReady(pending=1, kept=2),
    events.LogLine(source="run", text=HOSTILE, level="error"),
    events.Identified(what="job run", id="17", url="https://localhost/run/17"),
    events.RunState(run="a", state="running", detail=HOSTILE, url="https://localhost/run/18"),
    events.MetricsRead(run="a", metrics={"rmse": 0.5}),
    events.RunsCompared(build="1", results=RUNS, best="b", gate="rmse < 0.8", passed=True),
    events.RunsListed(results=RUNS, gate="rmse < 0.8"),
    events.JobRunsFound(job_runs=(JobRun("17", "https://localhost/run/17", "running", HOSTILE, ("a", "b"), 1.79e9),)),
    events.RunDescribed(
        result=RUNS[0], tags={"note": HOSTILE}, artifacts=("model/MLmodel",), model_uri="runs:/1/model"
    ),
    events.ChoicesRead(setting="location", choices=(Choice("westeurope", HOSTILE),)),
    events.SettingsRead(
        file="/project/mlops.toml",
        values=(SettingValue("location", "azure.location", "?", HOSTILE, "the region", "str", problem=HOSTILE),),
    ),
    events.StepsDescribed(steps=(StepDescription("s", "A step", HOSTILE, "https://x", (), ("location",), "az"),)),
    events.SignInsFound(sign_ins=(SignIn(HOSTILE, "a subscription", {"cloud": "AzureCloud", "sign_in": "cli"}),)),
    events.Problem(error=ErrorCard("It failed.", "Do this.", "https://learn.microsoft.com", HOSTILE, "Code", 3)),
    *DELIVERY_EVENTS,
    *PIPELINE_EVENTS,
    events.CommandFinished(command="up", exit_code=3, seconds=1.0, summary="Nothing."),
)


def printed(*shown: Event) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    reporter = PlainText(out, err)
    for event in shown:
        reporter.show(event)
    return out.getvalue(), err.getvalue()


def test_every_type_of_event_can_be_shown() -> None:
    assert {type(event) for event in EVERY_EVENT} == set(Event.__subclasses__())
    out, err = printed(*EVERY_EVENT)
    assert "[/subscriptions/abc] [bold]x[/bold]" in out
    assert ":smile:" in out
    assert "It failed." in err


def test_costs_and_warnings_of_a_plan_have_lines_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Change("create", "cluster ML", "on DS3", "sign-in", cost="2 machines while it runs")
    quota = Change("keep", "vCPU quota", "4 of 4 free", warning="the cluster needs at least 8 [red]vCPUs[/red]")
    plan = events.Planned(step="cluster", title="Cluster", changes=(cluster, quota))
    assert printed(plan)[0].splitlines() == [
        "Plan",
        "  Cluster",
        "    + create  cluster ML  (on DS3; known after sign-in)",
        "      costs: 2 machines while it runs",
        "    = keep    vCPU quota  (4 of 4 free)",
        "      ! the cluster needs at least 8 [red]vCPUs[/red]",
    ]
    for name, value in {"FORCE_COLOR": "1", "TERM": "xterm-256color"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("NO_COLOR", raising=False)
    warned = next(line for line in printed(plan)[0].splitlines() if "!" in line)
    assert warned.startswith("\x1b[33m"), "yellow"


def test_the_table_marks_the_best_run_and_shows_each_metric() -> None:
    out, _ = printed(events.RunsCompared(build="7", results=RUNS, best="b", gate="rmse < 0.8", passed=True))
    rows = out.splitlines()
    assert [word for row in rows for word in row.split() if word in ("RMSE", "MAE", "R2")] == ["RMSE", "MAE", "R2"]
    starred = [row for row in rows if row.startswith("★")]
    assert len(starred) == 1
    assert "0.7100" in starred[0]
    assert any("failed" in row and "0." not in row.replace("0.9", "") for row in rows)


def test_an_error_card_says_what_happened_what_to_do_and_the_raw_error_last() -> None:
    card = ErrorCard(
        "The secret was refused.", "Make a new one.", "https://aka.ms/x", "AADSTS7000215: raw", "AADSTS7000215"
    )
    _, err = printed(events.Problem(error=card))
    order = [err.index(text) for text in ("The secret was refused.", "Make a new one.", "aka.ms", "AADSTS7000215: raw")]
    assert order == sorted(order)


def test_a_registered_secret_is_in_no_output(tmp_path: Path) -> None:
    secret = 'k"ey/with~odd\\signs'
    redaction.register(secret)
    out, err = printed(*(dataclasses.replace(event) for event in _with(secret)))
    lines = io.StringIO()
    reporter = JsonLines(lines)
    journal = Journal(tmp_path, "up")
    for event in _with(secret):
        reporter.show(event)
        journal.write(event)
    journal.close()
    for text in (out, err, lines.getvalue(), journal.path.read_text()):
        assert secret not in text
        assert json.dumps(secret)[1:-1] not in text
        assert "[REDACTED]" in text or text == err


def _with(secret: str) -> tuple[Event, ...]:
    return (
        events.LogLine(source="run", text=f"before {secret} after"),
        events.Identified(what="token", id=secret),
        events.Problem(error=ErrorCard("It failed", raw=f"password={secret}")),
    )


def test_json_lines_are_valid_json_one_event_each() -> None:
    out = io.StringIO()
    reporter = JsonLines(out)
    for event in EVERY_EVENT:
        reporter.show(event)
    read = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [events.from_json(line) for line in read] == list(EVERY_EVENT)


def test_the_journal_is_private_and_the_oldest_files_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlops_tui.journal.KEPT", 3)
    for number in range(5):
        (tmp_path / f"2020010{number}-000000-up-1.jsonl").write_text("")
    journal = Journal(tmp_path, "sandbox start")
    journal.close()
    assert journal.path.stat().st_mode & 0o777 == 0o600
    assert len(list(tmp_path.glob("*.jsonl"))) == 3


def test_the_journal_keeps_every_event_but_not_every_line_of_a_long_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlops_tui.journal.LOG_LINES", 3)
    journal = Journal(tmp_path, "up")
    for number in range(10):
        journal.write(events.LogLine(source="run", text=str(number)))
    journal.write(events.Identified(what="job run", id="17"))
    journal.close()
    kept = [json.loads(line) for line in journal.path.read_text().splitlines()]
    assert [event.get("text", event["type"]) for event in kept] == ["0", "1", "2", "identified"]


def test_a_log_line_moves_no_cursor_and_rings_no_bell() -> None:
    out, _ = printed(events.LogLine(source="run", text="one\x07\x1b[2J\x1b]0;title\x07\x9b31m two\x08"))
    assert not set(out) & {chr(code) for code in (*range(9), *range(11, 32), *range(127, 160))}
    assert "one" in out
    assert "two" in out


def test_a_way_to_sign_in_comes_with_the_flags_that_choose_it() -> None:
    way = SignIn("Azure CLI: ada", "subscription One", {"cloud": "AzureCloud", "sign_in": "cli"})
    out, _ = printed(events.SignInsFound(sign_ins=(way,)))
    assert out.splitlines() == ["Azure CLI: ada", "  subscription One", "  --cloud AzureCloud --sign-in cli"]


def test_the_table_fits_a_small_terminal_whole() -> None:
    from rich.console import Console

    from mlops_tui.headless.run_text import runs_table

    results = tuple(dataclasses.replace(run, name=f"alpha=0.{number},l1_ratio=0.5") for number, run in enumerate(RUNS))
    narrow = Console(width=80, file=io.StringIO())
    narrow.print(runs_table(results, with_parameters=False))
    assert isinstance(narrow.file, io.StringIO)
    text = narrow.file.getvalue()
    assert "…" not in text
    assert "succeeded" in text
    assert "0.7100" in text
    assert len(text.splitlines()) == 1 + len(results)


def test_a_choice_is_printed_so_that_its_value_can_be_copied() -> None:
    offered = (Choice("Standard_DS3_v2", "Standard_DS3_v2 · 4 cores"), Choice("1b-2c", "Visual Studio"))
    out, _ = printed(events.ChoicesRead(setting="cluster_node_type", choices=offered))
    assert out.splitlines() == ["Standard_DS3_v2 · 4 cores", "1b-2c  (Visual Studio)"]
    assert "nothing yet to choose from for location" in printed(events.ChoicesRead(setting="location", choices=()))[0]


def test_a_run_s_parts_have_labels_and_what_is_missing_a_dash() -> None:
    run = dataclasses.replace(RUNS[0], run_id="f00d", build="7", source="GitHub", started=1_790_000_000.0)
    tags = {"data_sha256": "96a2", "build_number": "7", "note": HOSTILE}
    described = events.RunDescribed(result=run, tags=tags, artifacts=("a", "b"), predictions=((5.0, 5.5),))
    lines = [line.strip() for line in printed(described)[0].splitlines()]
    for line in ("Build         7 (GitHub)", "SHA-256       96a2", "Model         –", "Artifacts     a", "b"):
        assert line in lines
    assert not any("build_number" in line for line in lines), "it is told as the build"
    assert any(line.startswith("Started       2026-09-") for line in lines)


def test_sweeps_are_a_table_with_the_numbers_that_other_commands_take() -> None:
    sweeps = (JobRun("18", "", "running", "8", ("a", "b"), None), JobRun("17", "", "failed", "", (), 1_790_000_000.0))
    heading, first, second = printed(events.JobRunsFound(job_runs=sweeps))[0].splitlines()
    assert heading.split() == ["Sweep", "State", "Build", "Started", "Runs"]
    assert first.split() == ["18", "running", "8", "–", "a", "b"]
    assert second.split()[:3] == ["17", "failed", "–"]
    assert "No sweeps yet" in printed(events.JobRunsFound(job_runs=()))[0]
