"""The commands of delivery: what they pass on, what they ask, and what they refuse before anything is begun."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from mlops_tui import delivery_operations, operations
from mlops_tui.cli import main
from mlops_tui.clouds.cloud import AZURE
from mlops_tui.commands import running
from mlops_tui.commands.delivery import ask_for
from mlops_tui.commands.running import Invocation
from mlops_tui.delivery.approval import Approval
from mlops_tui.errors import ApprovalNeeded, GateMissedError, UnreachableError, ValidationFailedError
from mlops_tui.events import ImageReady, RowsRead
from mlops_tui.opening import Options
from mlops_tui.project import Project
from mlops_tui.session import Session
from mlops_tui.steps import Emit
from tests.unit.delivery_events import ASKED, IMAGE, IMAGE_ID

Calls = list[tuple[str, tuple[Any, ...]]]


@pytest.fixture
def called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Calls:
    """What reaches the operations, in place of a cloud."""

    def leave(code: int) -> None:
        raise SystemExit(code)

    calls: Calls = []
    monkeypatch.setattr(running, "leave", leave)
    monkeypatch.setattr(running, "_take_termination_as_interruption", lambda: None)
    monkeypatch.setattr(running, "open_session", lambda *_: Session(Project(), AZURE))
    monkeypatch.setenv("MLOPS_TUI_HOME", str(tmp_path / "home"))
    for name in ("GITHUB_ACTOR", "GITHUB_TRIGGERING_ACTOR", "BUILD_REQUESTEDFOR", "BUILD_REQUESTEDFOREMAIL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)

    def take(name: str) -> Callable[..., str]:
        def operation(session: Session, emit: Emit, *arguments: Any) -> str:
            calls.append((name, arguments))
            if name == "build_image":
                emit(ImageReady(image=IMAGE, fresh=True))
            if name == "read_rows":
                emit(RowsRead(build="17", rows=({"alcohol": 9.4},), target=(5.0,)))
            return "done"

        return operation

    for name in ("build_image", "deploy", "validate", "rollback", "read_rows", "predict", "read_stage_log"):
        monkeypatch.setattr(delivery_operations, name, take(name))
    for name in ("list_endpoints", "list_images"):
        monkeypatch.setattr(f"mlops_tui.delivery_operations.{name}", take(name))
    monkeypatch.setattr(operations, "read_log", take("read_log"))
    return calls


def call(*arguments: str, said: str = "") -> Result:
    return CliRunner().invoke(main, list(arguments), input=said)


def test_an_image_goes_from_stage_to_stage_by_a_file(called: Calls, tmp_path: Path) -> None:
    assert call("build", "--build", "17", "--out", "out").exit_code == 0
    file = tmp_path / "out" / "metadata" / "image.json"
    assert json.loads(file.read_text())["model_image_id"] == IMAGE_ID
    assert call("deploy", "staging", "--image", str(file)).exit_code == 0
    assert call("validate").exit_code == 0
    assert call("deploy", "production", "--build", "17", "--approve").exit_code == 0
    assert called == [
        ("build_image", ("17",)),
        ("deploy", ("staging", IMAGE_ID, "", None, None, ())),
        ("validate", ("staging", "")),
        ("deploy", ("production", "", "17", Approval(), None, ())),
    ]


def test_whoever_must_approve_is_told_the_same_flags_and_ci_names_its_actor(
    called: Calls, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GITHUB_ACTOR", "ada")
    (tmp_path / "mine.toml").touch()
    arguments = ("--file", "mine.toml", "--resource-group", "other", "--approve", "--force", "an emergency")
    assert call("deploy", "production", *arguments).exit_code == 0
    flags = ("--file", "mine.toml", "--resource-group", "other")
    assert called == [("deploy", ("production", "", "", Approval("ada", "an emergency"), None, flags))]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ApprovalNeeded("Somebody's yes."), 4),
        (ValidationFailedError("No verdict."), 1),
        (GateMissedError("Not good enough."), 1),
        (UnreachableError("Nobody answers."), 1),
    ],
)
def test_exit_codes_tell_what_to_do_next(
    called: Calls, monkeypatch: pytest.MonkeyPatch, error: Exception, code: int
) -> None:
    def refuse(*_: Any) -> str:
        raise error

    monkeypatch.setattr(delivery_operations, "deploy", refuse)
    done = call("deploy", "production")
    assert done.exit_code == code
    assert str(error) in done.output


def test_what_cannot_be_meant_is_refused_before_anything_is_begun(called: Calls, tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text("{")
    for arguments, said in (
        (("deploy", "nowhere"), "is not one of 'staging', 'production'"),
        (("deploy", "staging", "--build", "17", "--image", IMAGE_ID), "Give one of --build and --image"),
        (("deploy", "staging", "--image", "broken.json"), "broken.json cannot be read"),
        (("try", "staging", "--rows", "missing.csv"), "missing.csv cannot be read"),
        (("rollback",), "Missing argument"),
        (("build", "--out", "broken.json"), "is a file"),
    ):
        done = call(*arguments)
        assert done.exit_code == 2, arguments
        assert said in done.output, arguments
    assert called == []


def test_rows_to_try_come_from_a_file_from_standard_input_or_from_the_kept_test_set(
    called: Calls, tmp_path: Path
) -> None:
    (tmp_path / "rows.csv").write_text("alcohol\n9.4\n")
    assert call("try", "staging", "--rows", "rows.csv", "--deployment", "blue").exit_code == 0
    assert call("try", "production", "--rows", "-", said='{"alcohol": 9.4}').exit_code == 0
    assert call("try", "staging").exit_code == 0
    (tmp_path / "empty.csv").touch()
    assert call("try", "staging", "--rows", "empty.csv").exit_code == 0
    assert called == [
        ("predict", ("staging", "alcohol\n9.4\n", "blue")),
        ("predict", ("production", '{"alcohol": 9.4}', "")),
        ("read_rows", ()),
        ("predict", ("staging", ({"alcohol": 9.4},), "")),
        ("predict", ("staging", "", "")),  # which refuses it: other rows must not be taken in its place
    ]


def test_a_log_is_that_of_a_stage_or_of_a_job_run(called: Calls) -> None:
    assert call("logs", "production", "--follow").exit_code == 0
    assert call("logs", "1001").exit_code == 0
    assert called == [("read_stage_log", ("production", True)), ("read_log", ("1001", False))]


def test_the_others_pass_on_what_they_are_given(called: Calls) -> None:
    for arguments in (("rollback", "staging"), ("endpoints",), ("images",), ("validate", "production", "--build", "3")):
        assert call(*arguments).exit_code == 0
    assert called == [
        ("rollback", ("staging",)),
        ("list_endpoints", ()),
        ("list_images", ()),
        ("validate", ("production", "3")),
    ]


@pytest.mark.parametrize(
    ("verdict", "answers", "outcome"),
    [
        ("passed", ["y"], Approval()),
        ("passed", ["n"], None),
        ("failed", ["the old one is down", "y"], Approval(force="the old one is down")),
        ("failed", [""], None),
        ("failed", ["the old one is down", "n"], None),
        ("", [click.Abort()], None),
    ],
)
def test_a_person_is_asked_and_for_a_reason_where_the_verdict_speaks_against_it(
    monkeypatch: pytest.MonkeyPatch, verdict: Any, answers: list[Any], outcome: Approval | None
) -> None:
    def answer(*_: Any, **__: Any) -> Any:
        given = answers.pop(0)
        if isinstance(given, Exception):
            raise given
        return given == "y" if given in ("y", "n") else given

    monkeypatch.setattr(click, "confirm", answer)
    monkeypatch.setattr(click, "prompt", answer)
    session = Session(Project(), AZURE)
    session.ask = lambda question: question()
    options = Options(None, {}, {})
    ask = ask_for(Invocation("deploy", options, "text", True), session, "")
    assert ask is not None
    assert ask(replace(ASKED, verdict=verdict)) == outcome
    assert answers == []
    assert ask_for(Invocation("deploy", options, "text", False), session, "") is None, "nobody is there"
