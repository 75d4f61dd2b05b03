"""The project as a whole: built-in, from a file, practised with; what it lacks; the runs given by hand."""

from __future__ import annotations

import dataclasses
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlops_tui import folders
from mlops_tui.errors import UsageError
from mlops_tui.project import (
    ClusterSpec,
    Gate,
    Project,
    Training,
    checked_runs,
    load,
    parse_grid,
    parse_runs,
    require,
)
from mlops_tui.project_file import write_template
from mlops_tui.redaction import redact
from mlops_tui.run_parameters import DEFAULT_RUNS
from mlops_tui.settings import SETTINGS, config_rows


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads an mlops.toml that happens to stand above."""
    monkeypatch.chdir(tmp_path)


def refused(text: str, **flags: str) -> list[str]:
    Path("mlops.toml").write_text(text)
    with pytest.raises(UsageError) as caught:
        load(None, {}, flags)
    assert caught.value.exit_code == 2
    assert caught.value.raw == "\n".join(caught.value.problems)
    return list(caught.value.problems)


def test_without_a_file_the_wine_quality_project_is_built_in() -> None:
    project, resolved = load(None, {}, {})
    assert project == Project(training=Training(runs=DEFAULT_RUNS))
    assert [tuple(run.values()) for run in project.training.runs] == [(0.5, 0.5), (0.3, 0.3), (0.1, 0.1)]
    assert {entry.source for entry in resolved.entries.values()} == {"default"}


def test_the_first_file_says_exactly_what_is_built_in() -> None:
    write_template(Path())
    from_file, resolved = load(None, {}, {})
    Path("mlops.toml").unlink()
    built_in, _ = load(None, {}, {})
    assert from_file == built_in
    assert resolved.entries["location"].source.startswith("mlops.toml line ")


def test_every_scalar_of_a_project_is_a_setting() -> None:
    def scalars(value: Any, before: str = "") -> Iterator[str]:
        for field in dataclasses.fields(value):
            inner = getattr(value, field.name)
            if dataclasses.is_dataclass(inner):
                yield from scalars(inner, f"{before}{field.name}.")
            elif not isinstance(inner, tuple | dict):
                yield before + field.name

    assert {setting.attribute for setting in SETTINGS} == set(scalars(Project()))


def test_everything_in_the_file_reaches_the_project() -> None:
    Path("mlops.toml").write_text("""
cloud = "AzureCloud"
[project]
name = "red-wine"
[azure]
subscription_id = "44444444-4444-4444-8444-444444444444"
[databricks]
workspace = "dbw"
cluster = { name = "big", min_workers = 2, max_workers = 8 }
[service_principal]
name = "robot"
secret_days = 30
[ml]
workspace = "aml"
[training]
metrics = ["mae", "rmse"]
best_metric = "mae"
parallel = 2
gate = { metric = "mae", comparison = "<=", threshold = 1 }
[[training.runs]]
l1_ratio = 0
alpha = 2
""")
    project, resolved = load(None, {}, {})
    assert project == Project(
        name="red-wine",
        cloud="AzureCloud",
        subscription_id="44444444-4444-4444-8444-444444444444",
        databricks_workspace="dbw",
        ml_workspace="aml",
        service_principal="robot",
        secret_days=30,
        cluster=ClusterSpec(name="big", min_workers=2, max_workers=8),
        training=Training(
            runs=({"alpha": 2.0, "l1_ratio": 0.0},),
            metrics=("mae", "rmse"),
            best_metric="mae",
            parallel=2,
            gate=Gate("mae", "<=", 1.0),
        ),
    )
    rows = config_rows(resolved)
    assert ("training.runs", "alpha=2 l1_ratio=0", "mlops.toml line 20") in rows
    assert ("training.metrics", "mae, rmse", "mlops.toml line 16") in rows


def test_all_that_is_wrong_is_told_in_one_go_by_line() -> None:
    problems = refused(
        "[training]\nparallel = 0\n[azure]\nlocation = 5\ncolour = 'x'\n[[training.runs]]\nalpha = 1\n",
        secret_days="soon",
    )
    assert [problem.split(": ")[0] for problem in problems] == [
        "mlops.toml:2",
        "mlops.toml:4",
        "mlops.toml:5",
        "mlops.toml:6",
        "--secret-days",
    ]


def test_values_that_do_not_go_together_are_refused() -> None:
    assert refused("[databricks.cluster]\nmin_workers = 5\n") == [
        "mlops.toml:2: databricks.cluster.min_workers: is more than max_workers (4)"
    ]
    assert refused("[training]\nmetrics = ['r2']\n", best_metric="r2") == [
        "mlops.toml:2: training.gate.metric: 'rmse' is none of training.metrics: r2"
    ]


def test_a_file_that_was_named_must_be_there() -> None:
    with pytest.raises(UsageError) as caught:
        load(Path("none.toml"), {}, {})
    assert caught.value.problems == ("none.toml: cannot be read: No such file or directory",)


def test_a_secret_in_the_file_is_refused_and_hidden_from_then_on() -> None:
    (problem,) = refused("[databricks]\ntoken = 'a-token-that-leaked'\n")
    assert problem.startswith("mlops.toml:2: databricks.token: a secret does not belong in a file")
    assert redact("it was a-token-that-leaked") == "it was [REDACTED]"


def test_secrets_are_hidden_before_anything_can_go_wrong() -> None:
    environment = {
        "ARM_CLIENT_SECRET": "first-hidden-secret",
        "AZURE_CLIENT_SECRET": "second-hidden-secret",
        "MLOPS_TUI_PARALLEL": "none",
    }
    practice = {"client_secret": "third-hidden-secret"}
    with pytest.raises(UsageError):
        load(None, environment, {}, practice)
    assert redact("first-hidden-secret second-hidden-secret third-hidden-secret") == " ".join(["[REDACTED]"] * 3)


def test_a_projects_secrets_do_not_show_when_it_is_printed() -> None:
    project, resolved = load(None, {"ARM_CLIENT_SECRET": "printed-nowhere", "DATABRICKS_TOKEN": "nor-this"}, {})
    assert (project.client_secret, project.databricks_token) == ("printed-nowhere", "nor-this")
    for text in (repr(project), str(config_rows(resolved))):
        assert "printed-nowhere" not in text
        assert "nor-this" not in text


def test_another_tenants_odd_variables_do_not_keep_anybody_from_practising() -> None:
    environment = {"AZURE_TENANT_ID": "contoso.onmicrosoft.com"}
    practice = {"tenant_id": "5a4d0b0c-0000-4000-8000-00000000da7a"}
    assert load(None, environment, {})[0].cloud == "sandbox"  # before the sandbox is up
    assert load(None, environment, {}, practice)[0].tenant_id == practice["tenant_id"]
    with pytest.raises(UsageError):
        load(None, environment, {"cloud": "AzureCloud"})


def test_what_is_missing_is_named_with_every_way_to_give_it() -> None:
    project, resolved = load(None, {}, {})
    require(project, resolved, "location", "gate_threshold", "cluster_name")
    with pytest.raises(UsageError, match="subscription_id, client_secret") as caught:
        require(project, resolved, "location", "subscription_id", "client_secret")
    subscription, secret = caught.value.problems
    for way in ("--subscription-id", "MLOPS_TUI_SUBSCRIPTION_ID", "ARM_SUBSCRIPTION_ID", "azure.subscription_id"):
        assert way in subscription
    assert "ARM_CLIENT_SECRET" in secret
    assert "--" not in secret
    assert "mlops.toml" not in secret


def test_a_variable_that_was_passed_over_is_mentioned_where_its_value_is_missing() -> None:
    practice = {"tenant_id": "5a4d0b0c-0000-4000-8000-00000000da7a"}
    project, resolved = load(None, {"DATABRICKS_HOST": "https://adb-1.1.azuredatabricks.net"}, {}, practice)
    with pytest.raises(UsageError) as caught:
        require(project, resolved, "databricks_host")
    assert caught.value.problems[0].endswith("(DATABRICKS_HOST ignored: belongs to another tenant)")


def test_a_folder_of_notebooks_counts_from_the_file_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "mlops.toml").write_text("project.notebooks = 'mine'\n")
    assert load(Path("deep"), {}, {})[0].notebooks == str(tmp_path / "deep" / "mine")
    assert load(Path("deep"), {}, {"notebooks": "here"})[0].notebooks == "here"


def test_runs_can_be_given_one_by_one() -> None:
    assert parse_runs(["alpha=0.2,l1_ratio=0.7", " l1_ratio = 0 , alpha = 1e-3 "]) == (
        {"alpha": 0.2, "l1_ratio": 0.7},
        {"alpha": 0.001, "l1_ratio": 0.0},
    )
    assert parse_runs([]) == ()


def test_all_that_is_wrong_with_the_runs_is_told_at_once() -> None:
    with pytest.raises(UsageError) as caught:
        parse_runs(["alpha=-1,l1_ratio=2", "alpha=x,l1_ratio=0.5,depth=3", "alpha=1,alpha=2,l1_ratio", "alpha=inf"])
    assert caught.value.problems == (
        "run 3: alpha is given twice",
        "run 3: 'l1_ratio' is not of the form name=value",
        "run 1: alpha must be 0 or more",
        "run 1: l1_ratio must be between 0 and 1",
        "run 2: alpha must be a number, not 'x'",
        "run 2: depth is no parameter; there are alpha and l1_ratio",
        "run 3: l1_ratio is missing",
        "run 4: alpha must be a number, not inf",
        "run 4: l1_ratio is missing",
    )


def test_two_runs_of_the_same_parameters_and_more_than_a_hundred_runs_are_refused() -> None:
    with pytest.raises(UsageError) as caught:
        parse_runs(["alpha=1,l1_ratio=0.5", "l1_ratio=.5,alpha=1.0"])
    assert caught.value.problems == ("run 2: has the same parameters as run 1",)
    with pytest.raises(UsageError) as caught:
        parse_runs([f"alpha={number},l1_ratio=0.5" for number in range(101)])
    assert caught.value.problems == ("run 101: there are 101 runs; 100 is the most",)


def test_runs_from_json_are_checked_alike() -> None:
    assert checked_runs([{"l1_ratio": 1, "alpha": 0.5}]) == ({"alpha": 0.5, "l1_ratio": 1.0},)
    with pytest.raises(UsageError) as caught:
        checked_runs([{"alpha": None}, "alpha=1"])
    assert caught.value.problems == (
        "run 2: is no object",
        "run 1: alpha must be a number",
        "run 1: l1_ratio is missing",
    )


def test_a_grid_has_both_ends_exact_steps_and_every_combination() -> None:
    grid = parse_grid(["alpha=0.1:0.9:0.2", "l1_ratio=0.1,0.5"])
    assert [run["alpha"] for run in grid[::2]] == [0.1, 0.3, 0.5, 0.7, 0.9]
    assert [run["l1_ratio"] for run in grid[:4]] == [0.1, 0.5, 0.1, 0.5]
    assert len(grid) == 10
    assert parse_grid(["l1_ratio=1:1:1", "alpha=0:1:0.4"]) == (
        {"alpha": 0.0, "l1_ratio": 1.0},
        {"alpha": 0.4, "l1_ratio": 1.0},
        {"alpha": 0.8, "l1_ratio": 1.0},
    )
    assert parse_grid([]) == ()
    assert len(parse_grid(["alpha=1:10:1", "l1_ratio=0.1:1:0.1"])) == 100


@pytest.mark.parametrize(
    ("grid", "said"),
    [
        (["alpha=1:2"], "alpha=1:2: a range is first:last:step"),
        (["alpha=a:b:c"], "alpha=a:b:c: a range is first:last:step"),
        (["alpha=2:1:0.1"], "alpha=2:1:0.1: a range goes upward"),
        (["alpha=1:2:0"], "alpha=1:2:0: a range goes upward"),
        (["alpha=1:inf:1"], "alpha=1:inf:1: a range goes upward"),
        (["alpha=0:1e9999:1e-9999"], "a range has 100 values at most"),
        (["alpha=1,1.0"], "alpha=1,1.0: a value is given twice"),
        (["alpha=-1:2:1"], "alpha=-1:2:1: alpha must be 0 or more"),
        (["beta=1:2:1"], "beta is no parameter; there are alpha and l1_ratio"),
        (["alpha=1:11:1", "l1_ratio=0.1:1:0.1"], "the grid has 110 runs; 100 is the most"),
        (["alpha=1:2:1"], "l1_ratio is missing"),
        (["alpha"], "'alpha' is not of the form name=value"),
    ],
)
def test_an_impossible_grid_is_refused(grid: list[str], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_grid(grid)
    assert said in caught.value.raw


def test_a_gate_judges_by_its_metric() -> None:
    gate = Gate("r2", ">=", 0.25)
    assert (gate.passes({"r2": 0.25}), gate.passes({"r2": 0.2}), gate.passes({"rmse": 1})) == (True, False, None)
    assert str(gate) == "r2 >= 0.25"


def test_our_folders_are_for_their_owner_alone(tmp_path: Path) -> None:
    environment = {"MLOPS_TUI_HOME": str(tmp_path / "new" / "home")}
    assert folders.data_folder(environment) == tmp_path / "new" / "home"
    mine = (folders.sandbox_folder(environment), folders.journal_folder(environment))
    assert not (tmp_path / "new").exists(), "to ask makes nothing"
    for folder in mine:
        assert folders.made(folder) == folder
        assert folder.parent == tmp_path / "new" / "home"
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "new" / "home").stat().st_mode) == 0o700
    assert folders.data_folder({"MLOPS_TUI_HOME": "relative"}) == tmp_path / "relative"


def test_without_a_wish_the_systems_place_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    folder = folders.data_folder({})
    assert folder.is_relative_to(tmp_path)
    assert folder.name == "mlops-tui"


def test_a_folder_that_cannot_be_made_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot be made") as caught:
        folders.made(folders.journal_folder({"MLOPS_TUI_HOME": str(tmp_path / "file")}))
    assert "MLOPS_TUI_HOME" in caught.value.hint
