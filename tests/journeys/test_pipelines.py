"""From an empty home to predictions by a pipeline: Azure DevOps trains, a person says yes, GitHub releases."""

from __future__ import annotations

import json
import shlex
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from tests.journeys.conftest import COMMAND, Ended, Home
from tests.pty_app import PtyApp

pytestmark = [pytest.mark.xdist_group("pipeline-journey"), pytest.mark.timeout(420)]

JSON = ("--output", "json")
# That runs are compared is told elsewhere.
ONE_RUN = """
[ci]
host = "azure-devops"

[[training.runs]]
alpha = 0.1
l1_ratio = 0.1
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """One home for all stories of this module: each goes on where the one before has stopped."""
    made = Home(tmp_path_factory.mktemp("pipelines"))
    try:
        yield made
    finally:
        made.close()


def followed(home: Home, *arguments: str) -> Ended:
    """`ci run --follow`; when it waits for a yes, the very command that it tells says it, from elsewhere."""
    with home.start("ci", "run", "--follow", *arguments, *JSON) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        told: list[str] = []
        for line in running.stdout:
            told.append(line)
            event = json.loads(line)
            if event["type"] == "pipeline_approval_asked":
                assert event["approval"]["mine"]
                said = home.run(*shlex.split(event["command"])[1:], "--comment", "It may.", *JSON)
                assert said.code == 0, said.out + said.err
        return Ended(running.wait(60), "".join(told), running.stderr.read())


def ends(done: Ended, kind: str) -> dict[str, str]:
    """How the stages (or jobs, or steps) of a run ended, by name."""
    states = [event["part"] for event in done.of_type("pipeline_part_state") if event["part"]["kind"] == kind]
    return {part["name"]: part["state"] for part in states}


def production(home: Home) -> dict[str, Any]:
    [read] = home.run("endpoints", *JSON).of_type("endpoints_read")
    found: dict[str, Any] = read["endpoints"][1]
    return found


def test_azure_devops_trains_and_stages_and_after_a_yes_production_answers(place: Home) -> None:
    (place.folder / "mlops.toml").write_text(ONE_RUN)
    made = place.run("setup", *JSON, timeout=150)
    assert made.code == 0, made.out[-3000:] + made.err
    done = followed(place)
    assert done.code == 0, done.out[-6000:] + done.err
    first, *_ = done.of_type("identified")
    assert first["what"] == "pipeline run"
    assert ends(done, "stage") == {"Train": "succeeded", "Staging": "succeeded", "Production": "succeeded"}
    build = done.of_type("pipeline_run_state")[-1]["run"]["number"]
    now = production(place)
    assert (now["health"], now["build"]) == ("healthy", build)
    assert [event["by"] for event in done.of_type("pipeline_approved")] == [""], "by another command"


def test_a_second_setup_finds_the_pipeline_as_it_should_be(place: Home) -> None:
    before = place.last_request()
    done = place.run("setup")
    assert "Nothing to do." in done.out
    assert place.writes_since(before) == []


def test_runs_and_logs_can_be_looked_up_afterwards(place: Home) -> None:
    [listed] = place.run("ci", "runs", *JSON).of_type("pipeline_runs_listed")
    [run] = [one for one in listed["runs"] if one["reason"] == "manual"]
    assert run["state"] == "succeeded"
    shown = place.run("ci", "logs", run["id"])
    assert shown.code == 0
    assert "rmse" in shown.out
    again = place.run("ci", "approve", run["id"])
    assert again.code == 2
    assert "waits for nobody's yes: it is succeeded" in again.err


def test_github_releases_the_same_build_though_who_follows_goes_away_and_says_yes_later(place: Home) -> None:
    build = production(place)["build"]
    github = ("--ci-host", "github", "--git-folder", "/Shared/MLFlow-github")
    made = place.run("setup", *github, *JSON, timeout=150)
    assert made.code == 0, made.out[-3000:] + made.err
    told: list[dict[str, Any]] = []
    release = ("--stage", "production", "--build-number", build)
    with place.start("ci", "run", "--follow", *release, *github, *JSON) as running:
        assert running.stdout is not None
        for line in running.stdout:
            told.append(json.loads(line))
            if told[-1]["type"] == "pipeline_approval_asked":
                running.send_signal(signal.SIGINT)
        assert running.wait(60) == 130
    run_id = next(event["id"] for event in told if event["type"] == "identified")
    [problem] = [event["error"] for event in told if event["type"] == "problem"]
    assert f"Come back with `mlops-tui ci logs {run_id} --follow" in problem["hint"]
    assert "--ci-host github" in problem["hint"]
    command = [*COMMAND, "ci", "logs", run_id, "--follow", *github]
    with PtyApp(command, place.environment({}), place.folder, columns=160, rows=50) as terminal:
        terminal.wait(f"Let run {run_id} go on to Production?")
        terminal.press("y", "enter")
        assert terminal.wait_for_exit(60) == 0, terminal.text
    shown = place.run("ci", "logs", run_id, *github, *JSON)
    assert ends(shown, "job") == {"Train": "skipped", "Staging": "skipped", "Production": "succeeded"}
    assert production(place)["build"] == build


def test_no_secret_of_a_host_is_in_any_journal_or_file(place: Home) -> None:
    kept = json.loads((place.sandbox / "credentials.json").read_text())
    secrets = [kept[name] for name in ("client_secret", "azure_devops_token", "github_token")]
    files = [path for path in place.folder.rglob("*") if path.is_file() and not path.is_relative_to(place.sandbox)]
    assert any("journal" in path.parts for path in files)
    for path in files:
        text = path.read_text(errors="replace")
        assert not any(secret in text for secret in secrets), path
