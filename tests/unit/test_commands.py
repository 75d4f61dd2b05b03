"""Commands where something is in the way: a sentence and an exit code of the contract, never a trace."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from mlops_tui import journal, operations
from mlops_tui.cli import main
from mlops_tui.clouds.cloud import AZURE
from mlops_tui.commands import pipeline, running
from mlops_tui.commands.running import Invocation
from mlops_tui.engine import Plan
from mlops_tui.errors import SignInError
from mlops_tui.events import Event, LogLine, Problem
from mlops_tui.opening import Options
from mlops_tui.project import Project
from mlops_tui.session import Session
from mlops_tui.settings import AMBIENT_VARIABLES
from mlops_tui.setup import sign_in

REAL = ("--cloud", "AzureCloud")  # so that no practice cloud is started


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    def leave(code: int) -> None:
        raise SystemExit(code)

    monkeypatch.setattr(running, "leave", leave)
    monkeypatch.setattr(running, "_take_termination_as_interruption", lambda: None)
    monkeypatch.setenv("MLOPS_TUI_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def test_what_stops_a_look_beforehand_is_told(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> object:
        raise SignInError("No sign-in.", raw="AADSTS50076")

    monkeypatch.setattr(sign_in.SignIn, "inspect", refused)
    told: list[Event] = []
    session = Session(Project(), AZURE)
    code = operations.perform("runs", session, lambda emit: operations.list_runs(session, emit), told.append)
    assert code == 3
    assert [event.error.message for event in told if isinstance(event, Problem)] == ["No sign-in."]


def test_a_journal_that_cannot_be_opened_is_told(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("mlops_tui.journal.os.open", refuse)
    done = call("setup", "--plan", *REAL)
    assert done.exit_code == 2
    assert "Permission denied" in done.stderr
    assert "MLOPS_TUI_HOME" in done.stderr


def test_a_full_disk_does_not_end_what_goes_on(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: journal.Journal, event: Event) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    def two_lines(session: Session, emit: Callable[[Event], None], **_: object) -> str:
        emit(LogLine(source="step", text="one"))
        emit(LogLine(source="step", text="two"))
        return "Everything is set up."

    monkeypatch.setattr(journal.Journal, "write", full)
    monkeypatch.setattr(operations, "setup", two_lines)
    done = call("setup", *REAL)
    assert done.exit_code == 0
    assert done.stdout.count("No space left on device") == 1
    assert done.stdout.index("one") < done.stdout.index("two") < done.stdout.index("Everything is set up.")


@pytest.mark.parametrize("moment", ["start", "session"])
def test_ctrl_c_before_anything_is_begun_ends_in_130(home: Path, monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(running, "open_session" if moment == "session" else "start_practice", interrupted)
    done = call("up")
    assert done.exit_code == 130
    assert "Traceback" not in done.output


def test_no_answer_to_the_question_is_a_no(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(*_: object, **__: object) -> bool:
        raise click.Abort

    monkeypatch.setattr(click, "confirm", interrupted)
    session = Session(Project(), AZURE)
    session.ask = lambda question: question()
    confirm = pipeline._confirmation(Invocation("up", Options(None, {}, {}), "text", True), session)
    assert confirm is not None
    assert confirm(Plan({})) is False


def test_ctrl_c_at_any_other_question_ends_in_130(home: Path) -> None:
    (home / "home" / "sandbox").mkdir(parents=True)
    assert call("sandbox", "reset").exit_code == 130  # the input has ended


def test_the_commands_by_hand_need_no_practice_cloud(home: Path) -> None:
    done = call("setup", "--by-hand")
    assert done.exit_code == 0, done.output
    assert "az group create" in done.stdout
    assert list(home.iterdir()) == []


def test_a_notebook_that_is_no_text_is_named(home: Path) -> None:
    (home / "mine").mkdir()
    (home / "mine" / "train.py").write_bytes(b"\xff\xfe\x00")
    done = call("setup", "--by-hand", "--notebooks", str(home / "mine"))
    assert done.exit_code == 2
    assert "train.py" in done.stderr
    assert "UTF-8" in done.stderr


def test_a_place_where_no_project_can_be_written_is_told(home: Path) -> None:
    (home / "file").touch()
    done = call("init", str(home / "file" / "below"))
    assert done.exit_code == 2
    assert "cannot be made: Not a directory" in done.stderr


def test_spoilt_credentials_of_the_practice_cloud_are_told(home: Path) -> None:
    folder = home / "home" / "sandbox"
    folder.mkdir(parents=True)
    (folder / "sandbox.json").write_text(json.dumps({"port": 9, "pid": 0}))
    (folder / "credentials.json").write_text("{")
    done = call("config")
    assert done.exit_code == 1
    assert "credentials.json cannot be read" in done.stderr
    assert "sandbox reset" in done.stderr


def test_letters_that_the_locale_lacks_do_not_end_a_command(home: Path) -> None:
    variables = {**os.environ, "PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-m", "mlops_tui", "logs", "★", *REAL, "--tenant-id", "é"]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({}, ("tenant_id", "client_id", "client_secret")),
        ({"ARM_CLIENT_SECRET": "t0p-s3cret", "ARM_TENANT_ID": "0" * 8 + "-0000-0000-0000-" + "0" * 12}, ("client_id",)),
    ],
    ids=["nothing given", "the application's id forgotten"],
)
def test_what_signing_in_lacks_is_named_with_every_way_to_give_it(
    home: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, str], missing: tuple[str, ...]
) -> None:
    for name in AMBIENT_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    done = call("setup", "--plan", *REAL, *([] if given else ["--sign-in", "environment"]))
    assert done.exit_code == 2
    lines = [line for line in done.stderr.splitlines() if ": flag " in line or ": variable " in line]
    assert [line.split(":")[0].split()[-1] for line in lines] == list(missing)
    assert "flag --client-id, variable MLOPS_TUI_CLIENT_ID or ARM_CLIENT_ID" in done.stderr
    assert "key azure.client_id in mlops.toml" in done.stderr
    assert "t0p-s3cret" not in done.output
