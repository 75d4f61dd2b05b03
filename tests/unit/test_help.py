"""What --help says, and that looking around leaves nothing behind."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from mlops_tui.cli import COMMANDS, main
from mlops_tui.settings import SETTINGS

PROJECT_COMMANDS = ("up", "setup", "train", "runs", "logs", "cancel", "down")


def told(*arguments: str) -> str:
    """--help of a command, without its line breaks."""
    done = CliRunner().invoke(main, [*arguments, "--help"])
    assert done.exit_code == 0, done.output
    return " ".join(done.output.split())


def visible(command: click.Command) -> list[click.Option]:
    return [one for one in command.params if isinstance(one, click.Option) and not one.hidden]


@pytest.mark.parametrize("name", PROJECT_COMMANDS)
def test_choices_and_defaults_of_the_common_settings_are_shown(name: str) -> None:
    text = told(name)
    assert "One of: sandbox, AzureCloud, AzureUSGovernment, AzureChinaCloud. Default: sandbox." in text
    assert "One of: auto, environment, federated, cli, browser, device-code. Default: auto." in text
    assert "--cluster-node-type" not in text, "rarely needed ones would bury the rest"
    assert "`mlops-tui config --help` lists them all" in text


def test_config_lists_the_flag_of_every_setting() -> None:
    text = told("config")
    for setting in SETTINGS:
        assert (f"{setting.flag} " in text) if setting.flag else (setting.name.replace("_", "-") not in text)
        assert setting.secret or all(choice in text for choice in setting.choices)
    assert "lists them all" not in text


def test_every_option_of_every_command_is_explained_in_a_sentence() -> None:
    context = click.Context(main)
    for name in COMMANDS:
        command = main.get_command(context, name)
        assert command is not None
        for one in (command, *getattr(command, "commands", {}).values()):
            if one.hidden:
                continue
            assert (one.help or "").strip().splitlines()[0].endswith((".", ":")), one.name
            assert all(option.help for option in visible(one)), one.name


def test_each_line_of_the_overview_fits_its_command() -> None:
    text = told()
    for name, (_, line) in COMMANDS.items():
        assert not line or f"{name} {line}" in text
    assert "Exit codes: 0 done" in text


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("config",), 0),
        (("config", "--output", "json"), 0),
        (("up", "--help"), 0),
        (("sandbox", "status"), 1),
        (("sandbox", "stop"), 0),
        (("sandbox", "reset"), 0),
        (("sandbox", "env"), 1),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_looking_around_makes_no_folder(
    arguments: tuple[str, ...], code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "not" / "there"
    monkeypatch.setenv("MLOPS_TUI_HOME", str(home))
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, list(arguments))
    assert done.exit_code == code, done.output
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_told_by_every_command_that_needs_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("MLOPS_TUI_HOME", str(tmp_path / "file"))
    done = CliRunner().invoke(main, ["sandbox", "start"])
    assert done.exit_code == 2
    assert "cannot be made" in done.output
    assert "MLOPS_TUI_HOME" in done.output
