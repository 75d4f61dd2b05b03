"""The README tells the truth where a machine can tell."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mlops_tui import cli, errors
from mlops_tui.settings import settings_table

README = Path(__file__).parents[2] / "README.md"


@pytest.fixture(scope="module")
def readme() -> str:
    return README.read_text()


def test_it_has_the_table_of_all_settings(readme: str) -> None:
    assert settings_table().strip() in readme


def test_it_lists_every_command_and_none_that_is_not_there(readme: str) -> None:
    shown = set(re.findall(r"^\| `mlops-tui (\w+)", readme, re.MULTILINE))
    assert shown == {name for name, (_, line) in cli.COMMANDS.items() if line}


def test_it_lists_the_exit_codes_of_the_errors(readme: str) -> None:
    codes = {int(code) for code in re.findall(r"^\| (\d+) \| ", readme, re.MULTILINE)}
    raised = {
        kind.exit_code
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.MlopsError)
    }
    assert codes == raised | {0}


def test_its_links_lead_somewhere(readme: str) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", readme):
        assert (README.parent / target).exists(), target
