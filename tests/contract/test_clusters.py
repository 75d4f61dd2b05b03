"""Stories of clusters and their libraries, told with the vendor's SDK."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import (
    BadRequest,
    InvalidParameterValue,
    InvalidState,
    PermissionDenied,
    ResourceDoesNotExist,
)
from databricks.sdk.service.compute import (
    AutoScale,
    ClusterAccessControlRequest,
    ClusterPermissionLevel,
    ClusterSpec,
    EventType,
    GetEventsOrder,
    Library,
    LibraryInstallStatus,
    MavenLibrary,
    PythonPyPiLibrary,
)

from mlops_tui.sandbox import fleet
from tests.conftest import LiveSandbox
from tests.contract.job_stories import (
    EXITS,
    NODE,
    RUNTIME,
    eventually,
    finished,
    notebook,
    one_time,
    reaches,
    result,
    running_cluster,
    submitted,
)
from tests.contract.workspace_users import inside, learner, someone

pytestmark = [pytest.mark.xdist_group("runs"), pytest.mark.timeout(240)]


@pytest.fixture
def workspace(live: LiveSandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[WorkspaceClient]:
    yield from learner(live, monkeypatch)


def pypi(package: str) -> Library:
    return Library(pypi=PythonPyPiLibrary(package))


def test_runtimes_and_sizes_are_found_as_on_the_platform(workspace: WorkspaceClient) -> None:
    assert workspace.clusters.select_spark_version(long_term_support=True, ml=True) == "16.4.x-cpu-ml-scala2.12"
    keys = {version.key for version in workspace.clusters.spark_versions().versions or []}
    assert "7.3.x-cpu-ml-scala2.12" in keys
    sizes = {node.node_type_id: node for node in workspace.clusters.list_node_types().node_types or []}
    assert sizes["Standard_DS3_v2"].memory_mb == 14336
    assert "Standard_B4ms" in sizes
    assert workspace.clusters.select_node_type(min_cores=8) in sizes
    assert workspace.clusters.list_zones().zones == ["1", "2", "3"]


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"spark_version": "6.6.x-scala2.11", "node_type_id": NODE, "num_workers": 1}, "Invalid spark version 6.6.x"),
        ({"spark_version": RUNTIME, "node_type_id": "m4.large", "num_workers": 1}, "Node type m4.large is not support"),
        ({"spark_version": RUNTIME, "num_workers": 1}, "Missing required field 'node_type_id'"),
        ({"spark_version": RUNTIME, "node_type_id": NODE}, "Missing required field: size"),
        (
            {"spark_version": RUNTIME, "node_type_id": NODE, "autoscale": AutoScale(max_workers=1, min_workers=3)},
            "less than or equal",
        ),
        (
            {"spark_version": RUNTIME, "node_type_id": NODE, "num_workers": 1, "autotermination_minutes": 5},
            "between 10 and 10000",
        ),
    ],
)
def test_a_specification_that_cannot_be_is_refused(
    workspace: WorkspaceClient, wanted: dict[str, object], words: str
) -> None:
    with pytest.raises(InvalidParameterValue, match=words):
        workspace.clusters.create(**wanted)  # type: ignore[arg-type]  # as given


def test_a_cluster_lives_from_pending_to_terminated_and_tells_of_it(workspace: WorkspaceClient) -> None:
    waiter = workspace.clusters.create(
        RUNTIME,
        cluster_name="life",
        node_type_id=NODE,
        autoscale=AutoScale(max_workers=4, min_workers=1),
        autotermination_minutes=30,
    )
    cluster = waiter.result()  # the SDK's own waiter
    assert cluster.cluster_id
    assert cluster.state
    assert (cluster.state.value, cluster.cluster_name, cluster.autotermination_minutes) == ("RUNNING", "life", 30)
    assert cluster.autoscale == AutoScale(max_workers=4, min_workers=1)
    with pytest.raises(BadRequest, match=f"Cluster {cluster.cluster_id} is in unexpected state Running.") as refusal:
        workspace.clusters.start(cluster.cluster_id)
    assert isinstance(refusal.value, InvalidState)
    gone = workspace.clusters.delete_and_wait(cluster.cluster_id)
    assert gone.termination_reason
    assert gone.termination_reason.as_dict()["code"] == "USER_REQUEST"
    assert gone.state_message == "Terminated by user"
    workspace.clusters.ensure_cluster_is_running(cluster.cluster_id)
    told = list(workspace.clusters.events(cluster.cluster_id, order=GetEventsOrder.ASC, page_size=2))
    assert [each.type.value for each in told if each.type] == [
        "CREATING",
        "RUNNING",
        "TERMINATING",
        "STARTING",
        "RUNNING",
    ]
    ended = list(workspace.clusters.events(cluster.cluster_id, event_types=[EventType.TERMINATING]))
    assert len(ended) == 1
    assert ended[0].details
    assert ended[0].details.reason
    workspace.clusters.permanent_delete(cluster.cluster_id)
    with pytest.raises(ResourceDoesNotExist, match=f"Cluster {cluster.cluster_id} does not exist"):
        workspace.clusters.get(cluster.cluster_id)


def test_names_may_repeat_and_lists_come_in_pages(workspace: WorkspaceClient) -> None:
    made = []
    for _ in range(3):
        waiter = workspace.clusters.create(RUNTIME, cluster_name="twin", node_type_id=NODE, num_workers=0)
        made.append(str(waiter.bind()["cluster_id"]))
        workspace.clusters.delete(made[-1])  # terminated while it is pending
        reaches(workspace, made[-1], "TERMINATED")
    listed = [each for each in workspace.clusters.list(page_size=2) if each.cluster_name == "twin"]
    assert {each.cluster_id for each in listed} == set(made)
    for cluster_id in made:
        workspace.clusters.permanent_delete(cluster_id)


def test_an_edit_restarts_what_is_running(workspace: WorkspaceClient) -> None:
    with running_cluster(workspace, "to be edited") as cluster_id:
        workspace.clusters.edit(cluster_id, RUNTIME, cluster_name="edited", node_type_id=NODE, num_workers=2)
        cluster = reaches(workspace, cluster_id, "RUNNING")
        assert (cluster.cluster_name, cluster.num_workers) == ("edited", 2)
        kinds = [each.type.value for each in workspace.clusters.events(cluster_id) if each.type]
        assert kinds.index("EDITED") > kinds.index("RESTARTING") > kinds.index("STARTING")  # the last comes first


def test_an_idle_cluster_terminates_itself(workspace: WorkspaceClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet, "MINUTE", 0.05)  # else the story takes ten minutes
    made = workspace.clusters.create(
        RUNTIME, cluster_name="idle", node_type_id=NODE, num_workers=1, autotermination_minutes=10
    )
    cluster_id = str(made.bind()["cluster_id"])
    cluster = eventually(
        lambda: workspace.clusters.get(cluster_id),
        lambda each: bool(each.state and each.state.value == "TERMINATED"),
    )
    assert cluster.state_message == "Inactive cluster terminated (inactive for 10 minutes)."
    assert cluster.termination_reason
    assert cluster.termination_reason.parameters == {"inactivity_duration_min": "10"}
    workspace.clusters.permanent_delete(cluster_id)


def test_libraries_are_there_or_fail_in_pips_words(workspace: WorkspaceClient) -> None:
    with running_cluster(workspace, "libraries") as cluster_id:
        there, absent = pypi("pandas>=2"), pypi("no-such-package-anywhere==9.9")
        maven = Library(maven=MavenLibrary("com.example:thing:1.0"))
        workspace.libraries.install(cluster_id, [there, absent, maven])

        def statuses() -> dict[str, LibraryInstallStatus | None]:
            rows = workspace.libraries.cluster_status(cluster_id)
            return {str(row.library): row.status for row in rows}

        final = (LibraryInstallStatus.INSTALLED, LibraryInstallStatus.FAILED)
        got = eventually(statuses, lambda found: all(each in final for each in found.values()))
        assert list(got.values()) == [final[0], final[1], final[1]]
        messages = [row.messages for row in workspace.libraries.cluster_status(cluster_id) if row.library == absent]
        assert messages
        assert messages[0]
        assert "No matching distribution found for no-such-package-anywhere==9.9" in messages[0][0]
        workspace.libraries.uninstall(cluster_id, [absent, maven])
        marked = LibraryInstallStatus.UNINSTALL_ON_RESTART
        assert list(statuses().values()) == [final[0], marked, marked]
        workspace.clusters.restart(cluster_id)
        eventually(statuses, lambda found: list(found.values()) == [final[0]])
        all_of_them = {each.cluster_id for each in workspace.libraries.all_cluster_statuses()}
        assert cluster_id in all_of_them


def test_others_may_not_touch_a_cluster(workspace: WorkspaceClient, live: LiveSandbox) -> None:
    made = workspace.clusters.create(RUNTIME, cluster_name="mine", node_type_id=NODE, num_workers=1)
    cluster_id = str(made.bind()["cluster_id"])
    other, name = someone(live)
    with pytest.raises(PermissionDenied, match=f"{name} does not have CAN_MANAGE permissions"):
        other.clusters.permanent_delete(cluster_id)
    with pytest.raises(PermissionDenied, match="CAN_ATTACH_TO"):
        other.clusters.get(cluster_id)
    with pytest.raises(PermissionDenied, match="CAN_ATTACH_TO"):
        list(other.clusters.events(cluster_id))
    with pytest.raises(PermissionDenied, match="CAN_ATTACH_TO"):
        list(other.libraries.cluster_status(cluster_id))
    assert cluster_id not in [each.cluster_id for each in other.clusters.list()]
    assert cluster_id not in [each.cluster_id for each in other.libraries.all_cluster_statuses()]
    access = [ClusterAccessControlRequest(user_name=name, permission_level=ClusterPermissionLevel.CAN_ATTACH_TO)]
    workspace.clusters.update_permissions(cluster_id, access_control_list=access)
    assert cluster_id in [each.cluster_id for each in other.clusters.list()]
    with pytest.raises(PermissionDenied, match="CAN_MANAGE"):  # who may use it may not put packages on it
        other.libraries.install(cluster_id, [pypi("pandas")])
    workspace.clusters.set_permissions(cluster_id, access_control_list=[])
    tasks = [one_time("/Shared/stories/attaches", existing_cluster_id=cluster_id)]
    with pytest.raises(PermissionDenied, match="CAN_ATTACH_TO"):
        other.jobs.submit(run_name="attach", tasks=tasks)
    workspace.clusters.permanent_delete(cluster_id)


def test_of_ended_job_clusters_the_latest_are_remembered(workspace: WorkspaceClient, live: LiveSandbox) -> None:
    before = {each.cluster_id for each in workspace.clusters.list()}
    old = {"cluster_source": "JOB", "state": "TERMINATED", "start_time": 1, "spec": {}}
    with inside(live) as sandbox:
        for number in range(31):
            fields = {"cluster_id": f"old-{number:02d}", "terminated_time": 1000 + number}
            sandbox.store.put(fleet.KIND, f"old-{number:02d}", old | fields)
    path = notebook(workspace, "on-a-job-cluster", EXITS)
    size = ClusterSpec(spark_version=RUNTIME, node_type_id=NODE, num_workers=1)
    run = finished(workspace, submitted(workspace, "makes a job cluster", [one_time(path, new_cluster=size)]))
    assert result(run) == "SUCCESS"
    left = {str(each.cluster_id) for each in workspace.clusters.list()} - before
    assert "old-00" not in left
    assert "old-30" in left
    for gone in left - {"old-30"}:
        workspace.clusters.permanent_delete(gone)
    workspace.clusters.permanent_delete("old-30")
