"""What the Databricks steps decide, with a workspace of plain objects in place of a real one."""

from __future__ import annotations

import json
import shlex
import subprocess
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from mlops_tui.clouds.cloud import AZURE
from mlops_tui.clouds.databricks_clusters import Cluster as Found
from mlops_tui.clouds.databricks_clusters import ClusterState, Offer
from mlops_tui.clouds.directory import Password
from mlops_tui.clouds.key_vault import Vault, VaultSecrets
from mlops_tui.errors import CloudError, ConflictError, Interrupted, PlanChangedError, UsageError
from mlops_tui.events import Change, LogLine
from mlops_tui.project import ClusterSpec, Project, Training
from mlops_tui.session import Session
from mlops_tui.setup import chosen, marks
from mlops_tui.setup import cluster as cluster_step
from mlops_tui.setup.cluster import Cluster
from mlops_tui.setup.notebooks import Notebooks
from mlops_tui.setup.secret_keys import Passwords
from mlops_tui.setup.secret_scope import SecretScope
from mlops_tui.setup.train_job import TrainJob
from mlops_tui.steps import Finding, Report, Step

PROJECT = Project(
    training=Training(runs=({"alpha": 0.5, "l1_ratio": 0.5}, {"alpha": 0.3, "l1_ratio": 0.3}), parallel=2),
    cluster=ClusterSpec(name="it's ML"),
)
OFFER = Offer({PROJECT.cluster.spark_version: "17.3 LTS ML"}, {"Standard_DS3_v2": ""})


@dataclass
class FakeClusters:
    """One cluster whose state goes through `states`, one a look."""

    found: list[Found]
    specs: dict[str, Any] = field(default_factory=dict)
    states: list[str] = field(default_factory=lambda: ["RUNNING"])
    writes: list[str] = field(default_factory=list)

    def named(self, name: str) -> list[Found]:
        return self.found

    def spec(self, cluster_id: str) -> dict[str, Any]:
        return self.specs

    def state(self, cluster_id: str) -> ClusterState:
        return ClusterState(self.states.pop(0) if len(self.states) > 1 else self.states[0], "")

    def offer(self) -> Offer:
        return OFFER

    def packages(self, cluster_id: str) -> dict[str, str]:
        return {}

    def edit(self, cluster_id: str, wanted: dict[str, Any]) -> None:
        self.writes.append(f"edit {wanted['autotermination_minutes']}")
        self.specs.update(wanted)

    def start(self, cluster_id: str) -> None:
        self.writes.append("start")


@pytest.fixture
def session() -> Session:
    session = Session(PROJECT, AZURE)
    session.learn("databricks_host", "https://adb-1.2.azuredatabricks.net")
    return session


def with_clusters(session: Session, clusters: FakeClusters) -> None:
    session._clients = cast("Any", SimpleNamespace(databricks=lambda _: SimpleNamespace(clusters=clusters)))


def ours(state: str = "RUNNING", message: str = "") -> Found:
    return Found("0101-000000-a", PROJECT.cluster.name, state, message, 1, marks.tags(PROJECT))


def as_wanted(**other: Any) -> dict[str, Any]:
    return cluster_step._spec(PROJECT, None) | other


def apply(session: Session, finding: Finding) -> list[str]:
    lines: list[str] = []
    Cluster().apply(
        session,
        finding,
        Report("cluster", lambda event: lines.append(event.text) if isinstance(event, LogLine) else None),
    )
    return lines


def test_a_broken_cluster_is_told_before_anything_is_planned(session: Session) -> None:
    with_clusters(session, FakeClusters([ours("ERROR", "AZURE_QUOTA_EXCEEDED: no cores left")], as_wanted()))
    with pytest.raises(CloudError, match="no cores left") as caught:
        Cluster().inspect(session)
    assert "Delete it" in caught.value.hint
    assert caught.value.link == "https://adb-1.2.azuredatabricks.net/compute/clusters/0101-000000-a"


@pytest.mark.parametrize("state", ["TERMINATED", "TERMINATING", "PENDING", "RESIZING"])
def test_a_cluster_in_line_is_kept_in_whatever_state(session: Session, state: str) -> None:
    with_clusters(session, FakeClusters([ours(state)], as_wanted(num_workers=3, extra="by the platform")))
    assert Cluster().inspect(session).pending == ()


def test_a_change_waits_until_the_cluster_has_stopped_and_then_starts_it(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_step, "POLL_SECONDS", 0.01)
    clusters = FakeClusters(
        [ours("TERMINATING")],
        as_wanted(autotermination_minutes=600),
        ["TERMINATING", "TERMINATING", "TERMINATED"],
    )
    with_clusters(session, clusters)
    lines = apply(session, Cluster().inspect(session))
    assert clusters.writes == ["edit 15", "start"]
    assert len([line for line in lines if "is terminating" in line]) == 1, "told once, not at each look"


def test_stopping_is_heard_while_waiting_for_a_cluster(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_step, "POLL_SECONDS", 0.01)
    clusters = FakeClusters([ours("PENDING")], as_wanted(autotermination_minutes=600), ["PENDING"])
    with_clusters(session, clusters)
    finding = Cluster().inspect(session)
    session.cancelled.set()
    with pytest.raises(Interrupted):
        apply(session, finding)
    assert clusters.writes == []


def test_only_what_the_plan_has_shown_is_done_to_a_cluster(session: Session) -> None:
    shown = Finding((Change("keep", f"cluster {PROJECT.cluster.name}"), Change("create", "a library")))
    clusters = FakeClusters([ours(), ours()], as_wanted(autotermination_minutes=600))  # changed since
    with_clusters(session, clusters)
    apply(session, shown)
    assert clusters.writes == [], "neither edited, nor a second one deleted"
    with_clusters(session, FakeClusters([]))
    with pytest.raises(PlanChangedError, match="has gone since"):
        apply(session, shown)


def test_a_cluster_that_never_settles_is_given_up(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_step, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(cluster_step, "SETTLE_SECONDS", 0.05)
    clusters = FakeClusters([ours("PENDING")], as_wanted(autotermination_minutes=600), ["PENDING"])
    with_clusters(session, clusters)
    with pytest.raises(CloudError, match="has been pending for"):
        apply(session, Cluster().inspect(session))


def test_a_single_machine_is_asked_for_as_the_platform_wants_it() -> None:
    alone = replace(PROJECT, cluster=ClusterSpec(min_workers=0, max_workers=0))
    spec = cluster_step._spec(alone, None)
    assert spec["num_workers"] == 0
    assert "autoscale" not in spec
    assert spec["spark_conf"]["spark.databricks.cluster.profile"] == "singleNode"
    assert spec["custom_tags"]["ResourceClass"] == "SingleNode"
    assert "1 × Standard_DS3_v2" in Cluster().wanted(alone)[0].cost


def password(value: str, days: float) -> Password:
    return Password(f"id of {value}", "mlops-tui azureml", value[:3], datetime.now(UTC) + timedelta(days=days))


@pytest.mark.parametrize(
    ("ours", "held", "kept", "lost"),
    [
        ([], None, None, []),
        ([("abc8Q~x", 100)], None, None, ["abc8Q~x"]),
        ([("abc8Q~x", 100)], "abc8Q~x", "abc8Q~x", []),
        ([("abc8Q~x", 13)], "abc8Q~x", None, ["abc8Q~x"]),
        ([("abc8Q~x", 100), ("xyz8Q~x", 100)], "xyz8Q~x", "xyz8Q~x", ["abc8Q~x"]),
        ([("abc8Q~x", 100)], "put by hand", None, ["abc8Q~x"]),
        ([("abc8Q~x", 100), ("abc8Q~y", 90)], "abc8Q~x", None, ["abc8Q~x", "abc8Q~y"]),  # which one cannot be told
    ],
)
def test_which_client_secret_is_kept_and_which_are_lost(
    ours: list[tuple[str, float]], held: str | None, kept: str | None, lost: list[str]
) -> None:
    judged = Passwords.judge([password(*each) for each in ours], held)
    assert (judged.kept.key_id if judged.kept else None) == (f"id of {kept}" if kept else None)
    assert [each.key_id for each in judged.lost] == [f"id of {each}" for each in lost]


def test_what_the_platform_does_to_a_notebook_is_no_difference(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "train.py").write_text("print(1)\nprint(2)\n\n")
    session.project = replace(PROJECT, notebooks=str(tmp_path))
    there = "# Databricks notebook source\r\nprint(1)\r\nprint(2)"
    folder = SimpleNamespace(list=lambda _: {"/Shared/MLFlow/train": "PYTHON"}, export=lambda _: there)
    session._clients = cast("Any", SimpleNamespace(databricks=lambda _: SimpleNamespace(notebooks=folder)))
    assert Notebooks().inspect(session).pending == ()
    folder.export = lambda _: there + "\r\nprint(3)"
    assert [change.action for change in Notebooks().inspect(session).pending] == ["update"]


@pytest.mark.parametrize("step", [SecretScope(), Notebooks(), Cluster(), TrainJob()], ids=lambda step: step.name)
def test_every_step_says_in_plain_words_what_it_is_and_how_to_do_it_by_hand(step: Step) -> None:
    assert len(step.about.split()) > 30
    assert step.link.startswith("https://learn.microsoft.com/")
    by_hand = step.by_hand(PROJECT)
    assert "databricks " in by_hand
    assert {change.action for change in step.wanted(PROJECT)} == {"create"}
    assert len({change.what for change in step.wanted(PROJECT)}) == len(step.wanted(PROJECT))


def test_no_secret_is_typed_into_a_command_line_by_hand_either() -> None:
    line = next(line for line in SecretScope().by_hand(PROJECT).splitlines() if line.endswith("client_secret"))
    assert "--string-value" not in line
    assert "| databricks secrets put-secret azureml client_secret" in line


def test_by_hand_no_secret_is_an_argument_on_its_way_into_a_vault() -> None:
    vault = f"/subscriptions/{'0' * 8}/resourceGroups/it's safe/providers/Microsoft.KeyVault/vaults/kept"
    lines = SecretScope().by_hand(replace(PROJECT, key_vault=vault)).splitlines()
    sets = [line for line in lines if "az keyvault secret set" in line]
    assert {line.rpartition(" ")[2] for line in sets} == {
        "tenant-id",
        "client-id",
        "client-secret",
        "subscription-id",
        "resource-group",
        "workspace-name",
    }
    assert all("| az keyvault secret set" in line and "--file /dev/stdin" in line for line in sets)
    assert not any("--value" in line for line in sets)
    [scope] = [line for line in lines if line.startswith("databricks secrets create-scope")]
    printed = subprocess.run(
        ["/bin/sh", "-c", f'databricks() {{ printf %s "$4"; }}; VAULT_URI=https://kept.example/; {scope}'],
        capture_output=True,
        text=True,
        check=True,
        timeout=10,
    ).stdout
    assert json.loads(printed)["backend_azure_keyvault"] == {"resource_id": vault, "dns_name": "https://kept.example/"}


def test_a_deleted_secret_is_brought_back_before_it_is_set_again() -> None:
    asked: list[str] = []

    class Rest:
        def call(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
            asked.append(f"{method} {path.partition('?')[0]}")
            if len(asked) == 1:
                raise ConflictError("Secret is currently in a deleted but recoverable state", code="Conflict")
            return {}

    vault = Vault("/subscriptions/s/…/vaults/kept", "kept", "https://kept.example", uses_roles=True)
    VaultSecrets(vault, cast("Any", Rest()), "me").put("client-id", "value", {})
    assert asked == ["PUT secrets/client-id", "POST deletedsecrets/client-id/recover", "PUT secrets/client-id"]


def test_the_commands_carry_the_projects_values_through_a_shell_unharmed() -> None:
    words = shlex.split(Cluster().by_hand(PROJECT).splitlines()[0].removeprefix("CLUSTER_ID=$(").rpartition(" -o ")[0])
    assert json.loads(words[words.index("--json") + 1])["cluster_name"] == "it's ML"
    job = TrainJob().by_hand(PROJECT)
    settings = json.loads(job[job.index("<<'JSON'\n") + 9 : job.index("\nJSON\n")])
    assert settings["name"] == "Wine Quality (Train)"


def test_a_run_started_by_hand_in_the_workspace_trains_the_projects_sweep() -> None:
    job = TrainJob().by_hand(PROJECT)
    settings = json.loads(job[job.index("<<'JSON'\n") + 9 : job.index("\nJSON\n")])
    defaults = {each["name"]: each["default"] for each in settings["parameters"]}
    assert [(run["alpha"], run["l1_ratio"]) for run in json.loads(defaults["runs"])] == [("0.5", "0.5"), ("0.3", "0.3")]
    sweep = settings["tasks"][0]["for_each_task"]
    assert (sweep["concurrency"], sweep["inputs"]) == (2, "{{job.parameters.runs}}")
    assert sweep["task"]["notebook_task"]["base_parameters"]["log_path"] == (
        "{{job.parameters.log_folder}}/{{job.run_id}}/{{input.name}}"
    )


def test_one_step_alone_is_looked_at_with_all_that_it_needs() -> None:
    names = [step.name for step in chosen(Project(), ["notebooks"])]
    assert names == ["sign-in", "resource-group", "databricks-workspace", "notebooks"]
    assert "git-folder" in [step.name for step in chosen(Project(notebook_source="git-folder"), ["train-job"])]


def test_a_step_that_there_is_not_is_told_with_those_that_there_are() -> None:
    with pytest.raises(UsageError, match="no step notebook") as told:
        chosen(Project(), ["notebook"])
    assert "secret-scope" in told.value.hint
