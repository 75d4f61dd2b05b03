"""The pipeline's file: both hosts take it, linters find nothing in it, and any name stays a name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from ruamel.yaml import YAML

from mlops_tui.cli import main
from mlops_tui.commands import running
from mlops_tui.errors import UsageError
from mlops_tui.pipelines.files import pipeline_file
from mlops_tui.project import Ci, Project, load

BIN = Path(sys.executable).parent
HOSTS = ("azure-devops", "github")
WAYS = ("federated", "token")


def rendered(host: Any, **given: Any) -> str:
    name = given.pop("name", "wine-quality")
    file = pipeline_file(Project(name=name, ci=Ci(host=host, **given)))
    assert file is not None
    return file.text


def parsed(text: str) -> Any:
    return YAML(typ="safe").load(text)


def check(*command: str) -> None:
    ended = subprocess.run([str(BIN / command[0]), *command[1:]], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, (ended.stdout + ended.stderr)[-2000:]


def written(folder: Path, host: str) -> list[str]:
    places = []
    for way in WAYS:
        for pool in ("", "my agents"):
            place = folder / f"{way}{pool}.yml"
            place.write_text(rendered(host, authentication=way, pool=pool))
            places.append(str(place))
    return places


def test_azure_devops_knows_every_word_of_its_file(tmp_path: Path) -> None:
    options = ("--builtin-schema", "vendor.azure-pipelines", "--regex-variant", "nonunicode")
    check("check-jsonschema", *options, "--data-transform", "azure-pipelines", *written(tmp_path, "azure-devops"))


def test_github_knows_every_word_of_its_file_and_zizmor_finds_nothing_to_fear(tmp_path: Path) -> None:
    folder = tmp_path / ".github" / "workflows"
    folder.mkdir(parents=True)
    places = written(folder, "github")
    check("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *places)
    check("zizmor", "--offline", "--no-progress", "--persona", "pedantic", *places)


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("way", WAYS)
def test_nothing_is_left_to_fill_in(host: str, way: str) -> None:
    text = rendered(host, authentication=way)
    assert "__" not in text
    assert "#:" not in text
    has_secret = "CLIENT_SECRET" in text
    assert has_secret == (way == "token")


def test_names_that_yaml_would_misread_stay_names() -> None:
    awkward = {"name": "on", "branch": "feature/it's-#1", "pool": "Bob's: pool #2", "authentication": "federated"}
    devops = parsed(rendered("azure-devops", **awkward))
    assert devops["trigger"]["branches"]["include"] == ["feature/it's-#1"]
    assert devops["pool"] == {"name": "Bob's: pool #2"}
    connections = {
        step["inputs"]["azureSubscription"]
        for step in devops["stages"][0]["jobs"][0]["steps"]
        if step.get("task") == "AzureCLI@2"
    }
    assert connections == {"on"}
    github = parsed(rendered("github", **awkward))
    assert github["name"] == "on"
    assert github["jobs"]["production"]["environment"] == "on-production"
    assert {job["runs-on"] for job in github["jobs"].values()} == {"Bob's: pool #2"}


def test_a_branch_on_github_is_no_pattern() -> None:
    workflow = parsed(rendered("github", branch="c++"))
    assert workflow.get("on", workflow.get(True))["push"]["branches"] == [r"c\+\+"]


def test_a_name_that_would_be_an_expression_is_refused() -> None:
    with pytest.raises(UsageError, match="expression"):
        rendered("github", pool="${{ secrets.TOKEN }}")


def test_without_a_host_there_is_no_file() -> None:
    assert pipeline_file(Project()) is None


def init(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["init", *arguments])


@pytest.mark.parametrize(
    ("host", "path"), [("azure-devops", "azure-pipelines.yml"), ("github", ".github/workflows/mlops.yml")]
)
def test_init_begins_a_project_with_its_pipeline(host: str, path: str, tmp_path: Path) -> None:
    done = init("--ci", host, str(tmp_path / "wine"))
    assert done.exit_code == 0, done.output
    assert f"{tmp_path}/wine/{path}" in done.output
    assert (tmp_path / "wine" / path).read_text() == rendered(host)
    project, resolved = load(tmp_path / "wine" / "mlops.toml", {}, {})
    assert project.ci.host == host
    assert resolved.entries["ci_host"].source.startswith("mlops.toml line")


def test_init_writes_neither_file_where_one_of_them_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = tmp_path / "azure-pipelines.yml"
    theirs.write_text("theirs\n")
    monkeypatch.setattr(running, "leave", lambda code: sys.exit(code))
    refused = init("--ci", "azure-devops", str(tmp_path))
    assert refused.exit_code == 2
    assert "azure-pipelines.yml is there already" in refused.output
    assert [entry.name for entry in tmp_path.iterdir()] == ["azure-pipelines.yml"]
    assert theirs.read_text() == "theirs\n"
    assert init("--ci", "azure-devops", "--force", str(tmp_path)).exit_code == 0
    assert theirs.read_text() == rendered("azure-devops")
