"""What a form is told: every setting with its value, origin and problem; every step with what shapes it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from mlops_tui import operations, settings_form
from mlops_tui.events import Event, LogLine, SettingsRead, SettingValue, StepsDescribed
from mlops_tui.opening import Options
from mlops_tui.project import Project, look
from mlops_tui.settings import SETTINGS, plain, problem_of
from mlops_tui.setup import steps

OF_JUDGING = {"best_metric", "best_is", "gate_metric", "gate_comparison", "gate_threshold", "tolerance"}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads an mlops.toml that happens to stand above."""
    monkeypatch.chdir(tmp_path)


def form(
    text: str = "", environment: dict[str, str] | None = None, flags: dict[str, str] | None = None
) -> dict[str, SettingValue]:
    if text:
        Path("mlops.toml").write_text(text)
    read = settings_form.settings_read(look(None, environment or {}, flags or {}))
    return {one.name: one for one in read.values}


def test_the_form_has_every_setting_in_order_with_its_default() -> None:
    values = form()
    assert list(values) == [setting.name for setting in SETTINGS]
    assert values["location"] == SettingValue(
        name="location",
        key="azure.location",
        value="westeurope",
        origin="default",
        help="the Azure region",
        type="str",
        default="westeurope",
        flag="--location",
        variables=("MLOPS_TUI_LOCATION", "AZURE_LOCATION"),
    )
    assert (values["gate_threshold"].value, values["gate_threshold"].type) == ("0.8", "float")
    assert (values["databricks_sku"].type, values["databricks_sku"].choices[0]) == ("choice", "standard")


def test_a_file_that_is_there_is_named_in_full(tmp_path: Path) -> None:
    assert settings_form.settings_read(look(None, {}, {})).file == ""
    (tmp_path / "mlops.toml").touch()
    assert settings_form.settings_read(look(None, {}, {})).file == str(tmp_path / "mlops.toml")


def test_a_secret_shows_only_that_it_is_there() -> None:
    values = form(environment={"ARM_CLIENT_SECRET": "shown-to-nobody"})
    assert (values["client_secret"].value, values["databricks_token"].value) == ("(set)", "")
    assert values["client_secret"].origin == "ARM_CLIENT_SECRET"
    bad = form("[databricks]\ntoken = 'leaked-into-the-file'\n", {"MLOPS_TUI_CLIENT_SECRET": "two\nlines-of-it"})
    assert "a secret does not belong in a file" in bad["databricks_token"].problem
    assert "must be one line" in bad["client_secret"].problem
    assert not any(secret in str(bad) for secret in ("leaked-into", "lines-of-it"))


def test_what_cannot_be_used_stands_there_as_given_beside_the_others() -> None:
    values = form("[azure]\nlocation = 'west-europe!'\nresource_group = 'fine'\n", flags={"parallel": "many"})
    assert (values["location"].value, values["location"].origin) == ("west-europe!", "mlops.toml line 2")
    assert values["location"].problem == "'west-europe!' must be the name of a region, such as westeurope"
    assert (values["parallel"].value, values["parallel"].problem) == ("many", "'many' must be a whole number")
    assert (values["resource_group"].value, values["resource_group"].problem) == ("fine", "")
    assert [one.name for one in values.values() if one.problem] == ["location", "parallel"]


def test_a_bad_line_of_the_file_is_told_where_a_flag_outranks_it() -> None:
    location = form("[azure]\nlocation = 5\n", flags={"location": "uksouth"})["location"]
    assert (location.value, location.problem) == ("uksouth", "mlops.toml:2: must be text in quotes, not a number")


def test_values_that_do_not_go_together_are_told_at_the_one_to_mend() -> None:
    assert form(flags={"cluster_min_workers": "9"})["cluster_min_workers"].problem == "is more than max_workers (4)"


def test_a_file_that_cannot_be_read_leaves_a_form_of_defaults() -> None:
    values = form("[azure\n")
    assert {one.origin for one in values.values()} == {"default"}


def test_a_text_is_judged_as_it_is_typed() -> None:
    assert problem_of("resource_group", "my-group") == ""
    assert (
        problem_of("resource_group", "my group!")
        == "'my group!' must be 1 to 90 characters: letters, digits, _ - . ( )"
    )
    assert problem_of("parallel", "0") == "must be between 1 and 100"
    assert problem_of("parallel", "") == "'' must be a whole number"
    assert problem_of("databricks_host", "") == "", "not given"
    assert "must be one of: lowest, highest" in problem_of("best_is", "low")


def test_a_number_is_shown_so_that_it_reads_back_exactly() -> None:
    for value in (0.8, 1.0, 0.1 + 0.2, 123456.789, 1e-9, 86_400, 5):
        assert float(plain(value)) == value
    assert (plain(1.0), plain(0.8), plain("text")) == ("1", "0.8", "text")


def test_every_setting_shapes_one_step_or_how_models_are_judged() -> None:
    shaping = Counter(name for step in steps() for name in step.settings)
    assert set(shaping) | OF_JUDGING == {setting.name for setting in SETTINGS}
    assert {name for name, count in shaping.items() if count > 1} == set()
    assert not set(shaping) & OF_JUDGING


def test_every_step_is_explained_to_a_newcomer_in_a_few_lines() -> None:
    for step in settings_form.describe(steps(), Project()).steps:
        words = step.about.split()
        assert 50 <= len(words) <= 85, step.name
        assert "cost" in step.about, step.name
        assert step.link.startswith("https://")
        assert step.by_hand
        assert all(len(word) <= 40 for word in words), "fits a narrow pane"


def test_a_step_that_cannot_tell_its_commands_yet_says_why(tmp_path: Path) -> None:
    described = settings_form.describe(steps(), Project(notebooks=str(tmp_path))).steps
    (notebooks,) = [step for step in described if step.name == "notebooks"]
    assert notebooks.by_hand.startswith(f"# No notebooks (*.py) in {tmp_path}.")


def test_the_operation_tells_settings_and_steps_and_saves() -> None:
    told: list[Event] = []
    options = Options(None, {}, {"location": "uksouth"})
    operations.describe(options, told.append, None)
    assert [type(event) for event in told] == [SettingsRead, StepsDescribed]
    told.clear()
    assert "Saved in" in operations.save_settings(options, told.append, {"parallel": "7"})
    read = told[-1]
    assert isinstance(read, SettingsRead)
    assert Path(read.file).read_text().count("parallel = 7") == 1
    by_name = {one.name: one for one in read.values}
    assert (by_name["parallel"].value, by_name["location"].origin) == ("7", "--location")
    lines = [event.text for event in told if isinstance(event, LogLine)]
    assert lines[0] == "a new file, with the defaults"
    assert lines[1].startswith("line ")
    assert lines[1].endswith("(was 3)")
