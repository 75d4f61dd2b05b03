"""`mlops-tui config`: save settings, see the ways to sign in, list what there is to choose from."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mlops_tui import operations
from mlops_tui.cli import main
from mlops_tui.commands import running
from mlops_tui.events import Choice, ChoicesRead, Event
from mlops_tui.session import Session
from mlops_tui.settings import AMBIENT_VARIABLES


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def leave(code: int) -> None:
        raise SystemExit(code)

    monkeypatch.setattr(running, "leave", leave)
    monkeypatch.setattr(running, "_take_termination_as_interruption", lambda: None)
    monkeypatch.setenv("MLOPS_TUI_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in (*AMBIENT_VARIABLES, "AZURE_CONFIG_DIR", "DATABRICKS_CONFIG_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def config(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["config", *arguments])


def test_the_flags_given_are_saved_and_each_changed_line_is_told() -> None:
    assert CliRunner().invoke(main, ["init"]).exit_code == 0
    done = config("--save", "--location", "northeurope", "--parallel", "5", "--databricks-sku", "premium")
    assert done.exit_code == 0, done.output
    first, second, last = done.stdout.splitlines()
    assert first.startswith("mlops.toml │ line ")
    assert 'location = "northeurope"' in first
    assert first.endswith("(was westeurope)")
    assert "parallel = 5" in second
    assert last == f"Saved in {Path.cwd() / 'mlops.toml'}."
    shown = next(line for line in config().stdout.splitlines() if line.startswith("azure.location "))
    assert "northeurope" in shown
    assert f"mlops.toml {first.partition('│ ')[2].partition(':')[0]}" in shown


def test_saving_twice_says_that_nothing_was_to_do() -> None:
    assert "a new file, with the defaults" in config("--save", "--location", "uksouth").stdout
    assert config("--save", "--location", "uksouth").stdout == f"{Path.cwd() / 'mlops.toml'} says so already.\n"


def test_for_programs_saving_prints_json_alone() -> None:
    done = config("--save", "--location", "uksouth", "--output", "json")
    assert {json.loads(line)["type"] for line in done.stdout.splitlines()} == {"log_line"}


def test_what_cannot_be_saved_is_explained_with_exit_code_2() -> None:
    done = config("--save", "--location", "1 bad", "--parallel", "x")
    assert done.exit_code == 2
    assert "azure.location" in done.stderr
    assert "training.parallel" in done.stderr
    assert not Path("mlops.toml").exists()
    nothing = config("--save")
    assert nothing.exit_code == 2
    assert "--save --location" in nothing.stderr
    assert config("--save", "--sign-ins").exit_code == 2


def test_the_ways_to_sign_in_come_with_flags_that_work() -> None:
    done = config("--sign-ins")
    assert done.exit_code == 0, done.output
    assert "Azure: sign in with a browser" in done.stdout
    flags = next(line.split() for line in done.stdout.splitlines() if "AzureChinaCloud" in line)
    assert config(*flags).exit_code == 0
    (event,) = [json.loads(line) for line in config("--sign-ins", "-o", "json").stdout.splitlines()]
    assert event["sign_ins"][0]["settings"] == {"cloud": "AzureCloud", "sign_in": "browser"}


def test_choices_are_listed_for_a_setting_by_its_name_or_its_flag(monkeypatch: pytest.MonkeyPatch) -> None:
    def choose(session: Session, emit: Callable[[Event], None], setting: str) -> str:
        emit(ChoicesRead(setting=setting, choices=(Choice("uksouth", "UK South"),)))
        return ""

    monkeypatch.setattr(operations, "list_choices", choose)
    done = config("--choices", "location", "--cloud", "AzureCloud")
    assert done.exit_code == 0, done.output
    assert "uksouth  (UK South)" in done.stdout
    monkeypatch.undo()


def test_a_setting_without_choices_is_refused_with_those_that_have_some() -> None:
    done = config("--choices", "--secret-days", "--cloud", "AzureCloud")
    assert done.exit_code == 2
    assert "secret_days" in done.stderr
    assert "location" in done.stderr
