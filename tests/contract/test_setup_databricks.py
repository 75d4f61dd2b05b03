"""The Databricks half of setup against a live sandbox: from nothing to all there, and back; with faults in between."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlops_tui import __version__, redaction
from mlops_tui.clouds import databricks_transport
from mlops_tui.clouds.cloud import local_cloud
from mlops_tui.clouds.databricks import Databricks
from mlops_tui.clouds.databricks_clusters import EDITABLE
from mlops_tui.clouds.databricks_secrets import Scope
from mlops_tui.engine import Engine, Outcome, Plan
from mlops_tui.errors import (
    CloudError,
    ConflictError,
    NotFoundError,
    SignInError,
    ThrottledError,
    UnreachableError,
    UsageError,
)
from mlops_tui.events import Change, Event, Identified, LogLine, to_json
from mlops_tui.project import ClusterSpec, Project
from mlops_tui.sandbox import process
from mlops_tui.sandbox.clusters import Clusters as ServedClusters
from mlops_tui.session import Session
from mlops_tui.setup.cluster import Cluster
from mlops_tui.setup.databricks_workspace import DatabricksWorkspace
from mlops_tui.setup.notebooks import Notebooks
from mlops_tui.setup.resource_group import ResourceGroup
from mlops_tui.setup.secret_scope import SecretScope
from mlops_tui.setup.service_principal import ServicePrincipal
from mlops_tui.setup.sign_in import SignIn
from mlops_tui.setup.train_job import TrainJob
from mlops_tui.steps import Emit, Finding, Report, Step
from tests.conftest import LiveSandbox, serve

pytestmark = pytest.mark.xdist_group("setup-databricks")

Door = Callable[..., Any]
TRAIN = "# Databricks notebook source\nprint('training')\n"
KEYS = {"tenant_id", "client_id", "client_secret", "subscription_id", "resource_group", "workspace_name"}


class QuickMachine:
    """Stands in for a warm process: what a cluster is made of is not the subject here."""

    state: Any = "pending"

    def __init__(self, folder: Path, name: str) -> None:
        pass

    def start(self) -> None:
        self.state = "running"

    def wait_ready(self, timeout: float) -> bool:
        return True

    def submit(self, run: Any, on_end: Any) -> None:
        raise AssertionError("no run is started here")

    def cancel(self, run_id: int) -> None:
        pass

    def stop(self) -> None:
        self.state = "terminated"


class Given:
    """An earlier step, done by somebody else."""

    title = about = link = ""
    needs: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()

    def __init__(self, name: str) -> None:
        self.name = name

    def wanted(self, project: Project) -> tuple[Change, ...]:
        return (Change("keep", self.name),)

    def inspect(self, session: Session) -> Finding:
        return Finding(self.wanted(session.project))

    def apply(self, session: Session, finding: Finding, report: Report) -> None:
        raise AssertionError("nothing to do")

    def remove(self, session: Session, report: Report) -> None:
        pass

    def by_hand(self, project: Project) -> str:
        return ""


BEFORE = tuple(Given(name) for name in ("sign-in", "databricks-workspace", "service-principal"))
STEPS: tuple[Step, ...] = (*BEFORE, SecretScope(), Notebooks(), Cluster(), TrainJob())


class Wizard:
    """Somebody at work on one project in the live sandbox."""

    def __init__(self, live: LiveSandbox, project: Project) -> None:
        self.live = live
        self.events: list[Event] = []
        self.session = Session(project, local_cloud(live.origin, str(live.ca)))
        credentials = json.loads((live.folder / "credentials.json").read_text())
        for name in ("tenant_id", "subscription_id"):
            self.session.learn(name, credentials[name])
        self.session.learn("databricks_host", live.origin)

    def register_application(self) -> None:
        directory = self.session.clients.directory
        name = self.session.project.service_principal
        application = directory.find_application(name) or directory.create_application(name)
        self.session.learn("app_id", application.app_id)
        self.session.learn("app_object_id", application.object_id)

    @property
    def databricks(self) -> Databricks:
        return self.session.clients.databricks(self.live.origin)

    @property
    def emit(self) -> Emit:
        return self.events.append

    def plan(self, *steps: Step) -> Plan:
        return self._engine(steps).plan()

    def apply(self, *steps: Step) -> Outcome:
        engine = self._engine(steps)
        return engine.apply(engine.plan())

    def remove(self) -> Outcome:
        return Engine(STEPS, self.session, self.emit).remove()

    def passwords(self) -> list[str]:
        """Key ids of the application's client secrets."""
        kept = self.session.clients.directory.list_passwords(self.session.know("app_object_id", "service-principal"))
        return [password.key_id for password in kept]

    def logged(self) -> str:
        return "\n".join(event.text for event in self.events if isinstance(event, LogLine))

    def _engine(self, steps: tuple[Step, ...]) -> Engine:
        return Engine((*BEFORE, *steps) if steps else STEPS, self.session, self.emit)


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveSandbox]:
    """A sandbox of this module's own: other modules want clusters that really run notebooks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ServedClusters, "cluster_factory", staticmethod(QuickMachine))
        yield from serve(tmp_path_factory.mktemp("sandbox"))


@pytest.fixture
def project(live: LiveSandbox, request: pytest.FixtureRequest, tmp_path: Path) -> Project:
    """A project of the test's own: nothing in it bears a name that another test uses."""
    name = (
        request.node.name.removeprefix("test_").replace("[", "-").replace("]", "")[-60:].lstrip("_-").replace("/", "-")
    )
    credentials = json.loads((live.folder / "credentials.json").read_text())
    notebooks = tmp_path / "notebooks"
    notebooks.mkdir()
    (notebooks / "train.py").write_text(TRAIN)
    (notebooks / "report.py").write_text("print('no header here')\n")
    return Project(
        name=name,
        sign_in="environment",
        tenant_id=credentials["tenant_id"],
        client_id=credentials["client_id"],
        client_secret=credentials["client_secret"],
        databricks_token=live.token,
        notebooks=str(notebooks),
        secret_scope=name,
        service_principal=name,
        notebook_folder=f"/Shared/{name}",
        cluster=ClusterSpec(name=name),
        job_prefix=name,
    )


@pytest.fixture
def hired(live: LiveSandbox, door: Door) -> Iterator[Callable[[Project], Wizard]]:
    """Make wizards; their connections are closed, and ordered faults forgotten, at the end of the test."""
    wizards: list[Wizard] = []

    def hire(project: Project) -> Wizard:
        wizard = Wizard(live, project)
        wizards.append(wizard)
        wizard.register_application()
        return wizard

    yield hire
    door("DELETE", "/_sandbox/faults")
    for wizard in wizards:
        wizard.session.close()


@pytest.fixture
def wizard(hired: Callable[[Project], Wizard], project: Project) -> Wizard:
    return hired(project)


@pytest.fixture
def door(live: LiveSandbox) -> Door:
    """The sandbox's own door: door(method, path, body)."""
    address = process.Address(int(live.origin.rpartition(":")[2]))
    return lambda method, path, body=None: process.ask(live.folder, address, method, path, body)


def writes(door: Door, since: int = 0) -> list[str]:
    listed = door("GET", f"/_sandbox/requests?writes=1&since={since}")["requests"]
    return [f"{line['method']} {line['path']}" for line in listed]


def requests_so_far(door: Door) -> int:
    return len(door("GET", "/_sandbox/requests")["requests"])


def test_from_nothing_to_all_there_and_a_second_run_writes_nothing(wizard: Wizard, door: Door) -> None:
    project = wizard.session.project
    plan = wizard.plan()
    assert plan.pending == 1 + 6 + 1 + 2 + 1 + 1
    assert "Standard_DS3_v2" in plan.findings["cluster"].changes[0].cost

    assert wizard.apply().error is None

    databricks = wizard.databricks
    assert databricks.secrets.keys(project.secret_scope) == KEYS
    assert databricks.secrets.read(project.secret_scope, "workspace_name") == project.ml_workspace
    assert databricks.notebooks.export(f"{project.notebook_folder}/train") == TRAIN
    [cluster] = databricks.clusters.named(project.cluster.name)
    [job] = databricks.jobs.named(f"{project.job_prefix} (Train)")
    sweep = databricks.jobs.settings(job.id)["tasks"][0]["for_each_task"]
    assert sweep["task"]["existing_cluster_id"] == cluster.id == wizard.session.know("cluster_id", "cluster")
    assert wizard.session.know("train_job_id", "train-job") == str(job.id)
    told = {event.id for event in wizard.events if isinstance(event, Identified)}
    assert {cluster.id, str(job.id), f"{project.notebook_folder}/train"} <= told

    before = requests_so_far(door)
    again = wizard.plan()
    assert again.pending == 0, again
    assert wizard.apply().error is None
    assert writes(door, before) == []


def test_the_client_secret_is_told_to_the_scope_and_to_nobody_else(wizard: Wizard) -> None:
    wizard.apply(SecretScope())
    value = wizard.databricks.secrets.read(wizard.session.project.secret_scope, "client_secret")
    assert value is not None
    assert len(value) > 20
    told = json.dumps([to_json(event) for event in wizard.events])
    assert value not in told
    assert redaction.redact(f"the secret is {value}") == f"the secret is {redaction.MASK}"
    assert len(wizard.passwords()) == 1


@pytest.mark.parametrize("answers_lost", [1, 2])
def test_lost_answers_leave_one_of_everything(wizard: Wizard, door: Door, answers_lost: int) -> None:
    project = wizard.session.project
    for path in ("2.1/clusters/create", "2.2/jobs/create"):
        door(
            "POST", "/_sandbox/faults", {"path": f"/api/{path}", "method": "POST", "drop": True, "count": answers_lost}
        )
    for path in ("2.0/secrets/scopes/create", "2.0/secrets/put", "2.0/workspace/mkdirs", "2.0/workspace/import"):
        door("POST", "/_sandbox/faults", {"path": f"/api/{path}", "method": "POST", "drop": True})
    assert wizard.apply().error is None
    assert wizard.plan().pending == 0
    assert len(wizard.databricks.clusters.named(project.cluster.name)) == 1
    assert len(wizard.databricks.jobs.named(f"{project.job_prefix} (Train)")) == 1
    assert len(wizard.passwords()) == 1


@pytest.mark.parametrize("ending", [{"status": 500}, {"drop": True}], ids=["before", "after"])
def test_killed_at_any_write_the_next_run_ends_with_one_of_everything(
    ending: dict[str, Any],
    project: Project,
    hired: Callable[[Project], Wizard],
    door: Door,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each write in turn is the last one, before or after it was done; then somebody runs the same command again."""
    monkeypatch.setattr(databricks_transport, "DEAD_AFTER_SECONDS", 0.0)  # nobody waits for an answer
    struck = 0
    while True:
        name = f"{project.name}-{struck}"
        wizard = hired(
            replace(
                project,
                secret_scope=name,
                service_principal=name,
                notebook_folder=f"/Shared/{name}",
                cluster=ClusterSpec(name),
                job_prefix=name,
            )
        )
        door("POST", "/_sandbox/faults", {"path": "/api/.*", "method": "POST", "after": struck, **ending})
        wizard.apply()
        if door("GET", "/_sandbox/faults")["faults"]:
            break  # all writes have had their turn
        struck += 1
        assert wizard.apply().error is None
        assert wizard.plan().pending == 0
        assert len(wizard.databricks.clusters.named(name)) == 1
        assert len(wizard.databricks.jobs.named(f"{name} (Train)")) == 1
        assert len(wizard.passwords()) == 1
    assert struck == 12


def test_throttling_and_short_outages_are_ridden_out(wizard: Wizard, door: Door) -> None:
    for path, status in (("secrets/scopes/create", 429), ("workspace/import", 503), ("secrets/get", 429)):
        order = {"path": f"/api/2.0/{path}", "status": status, "retry_after": 1}
        door("POST", "/_sandbox/faults", order)
    assert wizard.apply(SecretScope(), Notebooks()).error is None
    assert door("GET", "/_sandbox/faults")["faults"] == []
    assert wizard.plan(SecretScope(), Notebooks()).pending == 0


def test_killed_between_making_and_keeping_the_secret_the_next_run_cleans_up(wizard: Wizard, door: Door) -> None:
    """The value is lost with the process; the next run makes another and removes the lost one."""
    scope = wizard.session.project.secret_scope
    door("POST", "/_sandbox/faults", {"path": "/api/2.0/secrets/put", "status": 500, "after": 5})
    error = wizard.apply(SecretScope()).error
    assert isinstance(error, CloudError)
    [lost] = wizard.passwords()
    assert wizard.databricks.secrets.read(scope, "client_secret") is None

    assert wizard.apply(SecretScope()).error is None
    [kept] = wizard.passwords()
    assert kept != lost
    value = wizard.databricks.secrets.read(scope, "client_secret") or ""
    app = wizard.session.know("app_object_id", "service-principal")
    assert wizard.session.clients.directory.list_passwords(app)[0].hint == value[:3]


def test_killed_before_the_lost_secret_was_removed_the_next_run_removes_it_alone(wizard: Wizard) -> None:
    project = wizard.session.project
    wizard.apply(SecretScope())
    [kept] = wizard.passwords()
    app = wizard.session.know("app_object_id", "service-principal")
    wizard.session.clients.directory.add_password(app, f"mlops-tui {project.secret_scope}", 180)
    value = wizard.databricks.secrets.read(project.secret_scope, "client_secret")

    changes = wizard.plan(SecretScope()).findings["secret-scope"].pending
    assert [(change.action, change.detail) for change in changes] == [
        ("update", "remove 1 lost client secret of the application")
    ]
    assert wizard.apply(SecretScope()).error is None
    assert wizard.passwords() == [kept]
    assert wizard.databricks.secrets.read(project.secret_scope, "client_secret") == value


def test_a_secret_about_to_end_is_renewed_and_others_are_left_alone(wizard: Wizard) -> None:
    project = wizard.session.project
    directory = wizard.session.clients.directory
    app = wizard.session.know("app_object_id", "service-principal")
    theirs = directory.add_password(app, "somebody's own", 30)
    wizard.apply(SecretScope())
    old = next(key for key in wizard.passwords() if key != theirs.key_id)
    ending = directory.add_password(app, f"mlops-tui {project.secret_scope}", 3)
    wizard.databricks.secrets.put(project.secret_scope, "client_secret", ending.value)

    [change] = wizard.plan(SecretScope()).findings["secret-scope"].pending
    assert change.action == "update"
    assert "ends soon" in change.detail
    assert wizard.apply(SecretScope()).error is None
    after = wizard.passwords()
    assert theirs.key_id in after
    assert len(after) == 2
    assert not {old, ending.key_id} & set(after)


def test_a_secret_made_for_a_few_days_is_not_renewed_each_time(
    project: Project, hired: Callable[[Project], Wizard]
) -> None:
    wizard = hired(replace(project, secret_days=5))
    assert wizard.apply(SecretScope()).error is None
    assert wizard.plan(SecretScope()).pending == 0


def test_a_changed_value_in_the_scope_is_put_right(wizard: Wizard) -> None:
    project = wizard.session.project
    wizard.apply(SecretScope())
    wizard.databricks.secrets.put(project.secret_scope, "resource_group", "another")
    [change] = wizard.plan(SecretScope()).findings["secret-scope"].pending
    assert (change.action, change.what) == ("update", f"secret {project.secret_scope}/resource_group")
    assert wizard.apply(SecretScope()).error is None
    assert wizard.databricks.secrets.read(project.secret_scope, "resource_group") == project.resource_group


def test_a_scope_in_a_standard_workspace_is_managed_by_all_users(
    project: Project, hired: Callable[[Project], Wizard]
) -> None:
    wizard = hired(replace(project, databricks_sku="standard"))
    assert wizard.apply(SecretScope()).error is None
    acls = {
        str(acl.principal): str(acl.permission)
        for acl in wizard.databricks.client.secrets.list_acls(project.secret_scope)
    }
    assert "MANAGE" in acls["users"]


def test_a_scope_backed_by_a_vault_is_told_apart(
    wizard: Wizard, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    held_by_a_vault = Scope(project.secret_scope, "AZURE_KEYVAULT")
    monkeypatch.setattr(wizard.databricks.secrets, "scope", lambda _: held_by_a_vault)
    with pytest.raises(ConflictError, match="backed by AZURE_KEYVAULT"):
        wizard.plan(SecretScope())


def test_a_notebook_edited_in_the_workspace_is_shown_and_written_over(wizard: Wizard) -> None:
    project = wizard.session.project
    wizard.apply(Notebooks())
    edited = f"{project.notebook_folder}/train"
    wizard.databricks.notebooks.put(edited, TRAIN + "print('edited there')\n")
    wizard.databricks.notebooks.put(f"{project.notebook_folder}/theirs", "print('mine')\n")

    [change] = wizard.plan(Notebooks()).findings["notebooks"].pending
    assert (change.action, change.what, change.detail) == (
        "update",
        f"notebook {edited}",
        "differs from the file here",
    )
    assert wizard.apply(Notebooks()).error is None
    assert wizard.databricks.notebooks.export(edited) == TRAIN

    assert wizard.remove().error is None
    assert wizard.databricks.notebooks.list(project.notebook_folder) == {f"{project.notebook_folder}/theirs": "PYTHON"}


def test_a_folder_where_a_notebook_should_be_is_an_error_before_anything_is_written(wizard: Wizard) -> None:
    project = wizard.session.project
    wizard.databricks.notebooks.make_folder(f"{project.notebook_folder}/train")
    with pytest.raises(ConflictError, match="is no Python notebook"):
        wizard.plan(Notebooks())


def test_a_cluster_changed_by_hand_is_brought_back_in_line(wizard: Wizard) -> None:
    project = wizard.session.project
    wizard.apply(Cluster())
    clusters = wizard.databricks.clusters
    [cluster] = clusters.named(project.cluster.name)
    by_hand = {"autotermination_minutes": 600, "num_workers": 8, "spark_env_vars": {"THEIRS": "1"}}
    assert_settled(wizard, cluster.id)
    clusters.edit(cluster.id, by_hand)

    [change] = wizard.plan(Cluster()).findings["cluster"].pending
    assert change.action == "update"
    assert "autotermination_minutes: 600 → 15" in change.detail
    assert wizard.apply(Cluster()).error is None
    spec = clusters.spec(cluster.id)
    assert spec["autotermination_minutes"] == 15
    assert spec["autoscale"] == {"min_workers": 1, "max_workers": 4}
    assert spec["spark_env_vars"] == {"THEIRS": "1"}, "what we do not set stays"
    assert wizard.plan(Cluster()).pending == 0


def test_a_stopped_cluster_is_as_good_as_a_running_one(wizard: Wizard) -> None:
    wizard.apply(Cluster())
    cluster_id = wizard.session.know("cluster_id", "cluster")
    assert_settled(wizard, cluster_id)
    wizard.databricks.client.clusters.delete(cluster_id).result()
    assert wizard.databricks.clusters.state(cluster_id).state == "TERMINATED"
    assert wizard.plan(Cluster()).pending == 0


def test_somebody_elses_cluster_is_used_and_never_removed(wizard: Wizard) -> None:
    project = wizard.session.project
    theirs = wizard.databricks.clusters.create(
        {
            "cluster_name": project.cluster.name,
            "spark_version": project.cluster.spark_version,
            "node_type_id": project.cluster.node_type,
            "autoscale": {"min_workers": 1, "max_workers": 4},
            "autotermination_minutes": 15,
        }
    )
    assert wizard.plan(Cluster()).pending == 0
    assert wizard.session.know("cluster_id", "cluster") == theirs
    assert wizard.remove().error is None
    assert f"kept the cluster {project.cluster.name}" in wizard.logged()
    assert len(wizard.databricks.clusters.named(project.cluster.name)) == 1


def test_two_strangers_of_the_same_name_need_a_person(wizard: Wizard) -> None:
    project = wizard.session.project
    spec = {"cluster_name": project.cluster.name, "node_type_id": "Standard_DS3_v2", "num_workers": 1}
    spec["spark_version"] = project.cluster.spark_version
    ids = [wizard.databricks.clusters.create(spec) for _ in range(2)]
    with pytest.raises(ConflictError) as caught:
        wizard.plan(Cluster())
    assert all(one in caught.value.message for one in ids)

    jobs = [wizard.databricks.jobs.create({"name": f"{project.job_prefix} (Train)"}) for _ in range(2)]
    wizard.session.learn("cluster_id", ids[0])
    with pytest.raises(ConflictError, match=str(jobs[1])):
        TrainJob().inspect(wizard.session)


def test_doubles_of_our_own_are_removed_and_the_oldest_is_kept(wizard: Wizard) -> None:
    """What a kill between the request and its answer can leave at worst."""
    project = wizard.session.project
    wizard.apply()
    clusters, jobs = wizard.databricks.clusters, wizard.databricks.jobs
    cluster_id, job_id = wizard.session.know("cluster_id", "cluster"), wizard.session.know("train_job_id", "train-job")
    clusters.create({name: value for name, value in clusters.spec(cluster_id).items() if name in EDITABLE})
    jobs.create(jobs.settings(int(job_id)))
    plan = wizard.plan()
    assert [change.what for finding in plan.findings.values() for change in finding.pending] == [
        f"cluster {project.cluster.name}",
        f"job {project.job_prefix} (Train)",
    ]
    assert wizard.apply().error is None
    assert [cluster.id for cluster in clusters.named(project.cluster.name)] == [cluster_id]
    assert [str(job.id) for job in jobs.named(f"{project.job_prefix} (Train)")] == [job_id]


def test_a_runtime_without_machine_learning_gets_its_libraries(
    project: Project, hired: Callable[[Project], Wizard]
) -> None:
    plain = replace(project.cluster, spark_version="15.4.x-scala2.12", min_workers=2, max_workers=2)
    wizard = hired(replace(project, cluster=plain))
    assert wizard.apply(Cluster()).error is None
    packages = wizard.databricks.clusters.packages(wizard.session.know("cluster_id", "cluster"))
    assert set(packages) == {"mlflow", "scikit-learn"}
    assert wizard.databricks.clusters.spec(wizard.session.know("cluster_id", "cluster"))["num_workers"] == 2
    assert wizard.plan(Cluster()).pending == 0


def test_a_runtime_that_is_not_offered_is_told_before_anything_is_made(
    project: Project, hired: Callable[[Project], Wizard], door: Door
) -> None:
    wizard = hired(replace(project, cluster=ClusterSpec(project.name, "1.0.x-cpu-ml-scala2.9", "Standard_DS3_v99")))
    before = requests_so_far(door)
    with pytest.raises(UsageError) as caught:
        wizard.plan(Cluster())
    assert len(caught.value.problems) == 2
    assert "-cpu-ml-" in caught.value.problems[0]
    assert "Standard_DS3_v2" in caught.value.problems[1]
    assert writes(door, before) == []


def test_a_job_changed_by_hand_is_reset(wizard: Wizard) -> None:
    wizard.apply()
    jobs, job_id = wizard.databricks.jobs, int(wizard.session.know("train_job_id", "train-job"))
    settings = jobs.settings(job_id)
    settings["max_concurrent_runs"] = 1
    settings["tasks"][0]["for_each_task"]["concurrency"] = 9
    jobs.reset(job_id, settings)
    [change] = wizard.plan().findings["train-job"].pending
    assert change.action == "update"
    assert change.detail == "max_concurrent_runs; tasks.train.for_each_task.concurrency"
    assert wizard.apply().error is None
    assert jobs.settings(job_id)["max_concurrent_runs"] == 3


def test_a_new_cluster_is_what_the_job_runs_on(wizard: Wizard) -> None:
    wizard.apply()
    old = wizard.session.know("cluster_id", "cluster")
    wizard.databricks.clusters.delete(old)
    assert wizard.apply().error is None
    new = wizard.session.know("cluster_id", "cluster")
    settings = wizard.databricks.jobs.settings(int(wizard.session.know("train_job_id", "train-job")))
    assert new != old
    assert settings["tasks"][0]["for_each_task"]["task"]["existing_cluster_id"] == new


def test_everything_goes_and_going_twice_is_no_error(wizard: Wizard) -> None:
    project = wizard.session.project
    wizard.apply()
    for _ in range(2):
        assert wizard.remove().error is None
    assert wizard.databricks.secrets.scope(project.secret_scope) is None
    assert wizard.databricks.notebooks.list(project.notebook_folder) is None
    assert wizard.databricks.clusters.named(project.cluster.name) == []
    assert wizard.databricks.jobs.named(f"{project.job_prefix} (Train)") == []
    assert wizard.plan().kept == len(BEFORE)


def test_without_a_workspace_there_is_nothing_to_remove(project: Project, live: LiveSandbox) -> None:
    wizard = Wizard(live, project)
    wizard.session.forget("databricks_host")
    assert wizard.remove().error is None
    assert "there is no workspace" in wizard.logged()


def test_the_same_token_gives_the_same_run(wizard: Wizard, door: Door) -> None:
    """Also where the answer is lost, or the service was busy: neither the SDK nor we start a second run."""
    wizard.apply(Cluster())
    task = {"task_key": "only", "existing_cluster_id": wizard.session.know("cluster_id", "cluster")}
    missing = {"notebook_path": "/Shared/there is no such notebook"}
    name = wizard.session.project.job_prefix
    job_id = wizard.databricks.jobs.create({"name": name, "tasks": [task | {"notebook_task": missing}]})
    order = {"path": "/api/2.2/jobs/run-now", "method": "POST"}
    door("POST", "/_sandbox/faults", order | {"drop": True})
    door("POST", "/_sandbox/faults", order | {"status": 503})
    first = wizard.databricks.jobs.run_now(job_id, {}, "build-1")
    assert wizard.databricks.jobs.run_now(job_id, {}, "build-1") == first
    assert len(list(wizard.databricks.client.jobs.list_runs(job_id=job_id))) == 1
    with pytest.raises(NotFoundError):
        wizard.databricks.jobs.run_now(job_id + 10_000, {}, "build-1")


def test_a_clusters_life_can_be_read(wizard: Wizard) -> None:
    wizard.apply(Cluster())
    clusters, cluster_id = wizard.databricks.clusters, wizard.session.know("cluster_id", "cluster")
    assert_settled(wizard, cluster_id)
    assert clusters.state(cluster_id).state == "RUNNING"
    events = clusters.events(cluster_id)
    assert events[0].kind == "CREATING"
    assert "is being created" in events[0].text
    assert "RUNNING" in [event.kind for event in events]
    assert clusters.events(cluster_id, since=events[-1].at + 1) == []
    with pytest.raises(NotFoundError):
        clusters.state("0000-000000-nowhere")


def test_a_wrong_token_is_told_with_a_way_out(project: Project, hired: Callable[[Project], Wizard]) -> None:
    wizard = hired(replace(project, databricks_token="dapi" + "0" * 32))
    with pytest.raises(SignInError) as caught:
        wizard.plan(Notebooks())
    assert "Invalid access token" in caught.value.message
    assert "Access tokens" in caught.value.hint
    assert "0000" not in str(vars(caught.value))


def test_a_dead_host_is_told_within_seconds_and_a_strange_certificate_at_once(
    wizard: Wizard, live: LiveSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    started = time.monotonic()
    dead, strange = f"https://localhost:{process._free_port()}", live.origin
    for host, ca, words in ((dead, str(live.ca), "Nobody answers"), (strange, "", "certificate")):
        databricks = Databricks(host, wizard.session.clients.identity, local_cloud(host, ca), live.token)
        with pytest.raises(UnreachableError, match=words):
            databricks.jobs.named("any")
        databricks.close()
    assert time.monotonic() - started < 10


def test_a_service_that_asks_for_an_hour_is_not_waited_for(wizard: Wizard, door: Door) -> None:
    door("POST", "/_sandbox/faults", {"path": "/api/2.2/jobs/list", "status": 429, "retry_after": 3600})
    with pytest.raises(ThrottledError, match="3600 seconds"):
        wizard.databricks.jobs.named("any")


def test_without_a_personal_token_entra_signs_in(
    project: Project, hired: Callable[[Project], Wizard], door: Door
) -> None:
    """By the token of the identity that signs in to Azure; the workspace is one that this caller has made."""
    wizard = hired(replace(project, databricks_token="", resource_group=project.name, databricks_workspace="entra"))
    session = Session(wizard.session.project, wizard.session.cloud)
    before = requests_so_far(door)
    try:
        azure = Engine(
            (SignIn(), ResourceGroup(), DatabricksWorkspace(), ServicePrincipal(), *STEPS[3:]), session, wizard.emit
        )
        outcome = azure.apply(azure.plan())
        assert outcome.error is None
        assert session.know("databricks_host", "databricks-workspace") == wizard.live.origin
    finally:
        session.close()
    listed = door("GET", f"/_sandbox/requests?since={before}")["requests"]
    callers = {line["caller"] for line in listed if "/secrets/" in line["path"]}
    agents = {line["agent"].split()[0] for line in listed if "/secrets/" in line["path"]}
    assert callers == {project.client_id}
    assert agents == {f"mlops-tui/{__version__}"}


def test_the_environments_token_does_not_change_who_we_are(wizard: Wizard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABRICKS_TOKEN", "dapi" + "f" * 32)
    monkeypatch.setenv("DATABRICKS_HOST", "https://elsewhere.invalid")
    monkeypatch.setenv("ARM_CLIENT_SECRET", "nobody's")
    assert wizard.databricks.client.api_client.do("GET", "/api/2.0/preview/scim/v2/Me")["userName"]


def assert_settled(wizard: Wizard, cluster_id: str) -> None:
    """Wait until the cluster is up (the stand-in takes milliseconds)."""
    wizard.databricks.client.clusters.wait_get_cluster_running(cluster_id)
