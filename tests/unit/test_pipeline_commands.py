"""`mlops-tui ci`: what is printed first, who is asked, what a script is told, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from mlops_tui.cli import main
from mlops_tui.clouds.ci_host import RunOrder
from mlops_tui.commands import ci, running
from mlops_tui.commands.running import Invocation
from mlops_tui.following.looks import Pace
from mlops_tui.opening import Options
from mlops_tui.pipelines import follow
from tests.unit.pipeline_host import ASKED, PAGE, FakeHost, Frame
from tests.unit.test_pipelines import PLAY

pytestmark = pytest.mark.timeout(20)


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeHost:
    """On which the commands find a pipeline."""
    made = FakeHost(PLAY)

    def leave(code: int) -> None:
        raise SystemExit(code)

    monkeypatch.setattr(running, "leave", leave)
    monkeypatch.setattr(running, "_take_termination_as_interruption", lambda: None)
    monkeypatch.setattr(running, "open_session", lambda *_: made.session())
    monkeypatch.setattr(follow, "PACE", Pace(0.002, 0.004))
    monkeypatch.setenv("MLOPS_TUI_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return made


def call(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["ci", *arguments])


def test_number_and_page_come_first_and_again_where_it_fails(host: FakeHost) -> None:
    host.frames = (*PLAY[:3], Frame("failed", {"t2": "failed", "j1": "failed", "s1": "failed"}))
    host.details = {"t2": "The gate is missed."}
    done = call("run", "--follow")
    assert done.exit_code == 1
    first, second, *_ = done.output.splitlines()
    assert first.split(" · ")[1] == "ci run"
    assert second == f"pipeline run │ 17 {PAGE}"
    assert "Train · mlops-tui train │ b" in done.output
    assert "Error: Run 17 (build 20261128.1) has failed in Train · mlops-tui train." in done.output
    assert f"Read more   {PAGE}" in done.output
    assert "The gate is missed." in done.output


def test_approved_beforehand_it_goes_to_the_end(host: FakeHost) -> None:
    done = call("run", "--follow", "--approve", "--stage", "production", "--build-number", "16", "--branch", "fix")
    assert done.exit_code == 0, done.output
    assert host.queued == [RunOrder("fix", "16", "production")]
    assert "Approved: Production of run 17, by ada@example.com" in done.output
    assert "Run 17 (build 20261128.1) has succeeded." in done.output
    assert call("run", "--approve").exit_code == 2


def test_without_a_terminal_the_command_that_approves_is_told_with_its_flags(host: FakeHost, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").touch()
    looks: list[int] = []

    def approve_later(one: FakeHost) -> None:
        looks.append(one.frame)
        if looks.count(4) == 4:
            one.approved.append(("a1", ""))

    host.elsewhere = approve_later
    done = call("logs", "17", "--follow", "--file", "mine.toml", "--ci-organization", "other", "--output", "json")
    assert done.exit_code == 0, done.output
    told = [json.loads(line) for line in done.stdout.splitlines()]
    [asked] = [event for event in told if event["type"] == "pipeline_approval_asked"]
    assert asked["command"] == "mlops-tui ci approve 17 --file mine.toml --ci-organization other"
    assert told[-1]["summary"] == "Run 17 (build 20261128.1) has succeeded."
    assert not [event for event in told if event["type"] == "problem"]


@pytest.mark.parametrize(("answer", "outcome"), [(True, True), (False, False), (click.Abort(), False)])
def test_at_a_terminal_a_person_is_asked(
    host: FakeHost, monkeypatch: pytest.MonkeyPatch, answer: Any, outcome: bool
) -> None:
    questions: list[str] = []

    def confirm(question: str, **_: Any) -> bool:
        questions.append(question)
        if isinstance(answer, Exception):
            raise answer
        return bool(answer)

    monkeypatch.setattr(click, "confirm", confirm)
    session = host.session()
    session.ask = lambda question: question()
    options = Options(None, {}, {})
    consent = ci._consent(Invocation("ci run", options, "text", True), session)
    assert consent.ask is not None
    assert consent.ask(ASKED) is outcome
    assert questions == ["Let run 17 go on to Production?"]
    assert ci._consent(Invocation("ci run", options, "text", False), session).ask is None, "nobody is there"


def test_a_second_command_approves_or_says_why_it_cannot(host: FakeHost) -> None:
    refused = call("approve", "17")
    assert refused.exit_code == 2
    assert "Run 17 waits for nobody's yes: it is queued." in refused.output
    host.frame = 4
    assert call("approve", "17", "--comment", "fine", "--follow").exit_code == 0
    assert host.approved == [("a1", "fine")]


def test_runs_are_listed_shown_and_ended(host: FakeHost) -> None:
    host.frame = 3
    assert "16  " in call("runs").output
    host.frame = 4
    assert "mlops-tui ci approve 17 --ci-host github" in call("runs", "--ci-host", "github").output
    host.frame = 3
    shown = call("logs", "17")
    assert shown.exit_code == 0
    assert "Train · mlops-tui train │ c" in shown.output
    assert call("cancel", "17").exit_code == 0
    for command in ("logs", "approve", "cancel"):
        wrong = call(command, "../1")
        assert wrong.exit_code == 2
        assert "is no run's number" in wrong.output
    assert host.cancelled
    assert call("logs", "99").exit_code == 1
