"""Stories of a sandbox that is killed in mid-run and started again, and of clusters that die under their runs."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.service.jobs import QueueSettings

from mlops_tui.sandbox import process
from mlops_tui.sandbox.api import Principal
from mlops_tui.sandbox.members import Members
from mlops_tui.sandbox.permissions import Permissions
from mlops_tui.sandbox.sandbox import Sandbox
from mlops_tui.sandbox.workspace_files import WorkspaceFiles
from tests.conftest import unwarmed_site
from tests.contract.job_stories import eventually, finished, life, notebook, result, task
from tests.contract.workspace_users import CLIENTS, client

LEARNER = Principal("00000000-0000-4000-8000-000000001ea4", "learner@sandbox.example", "Learner", is_user=True)
WORK = (
    "import os, time\n"
    "dbutils.widgets.text('how', '')\n"
    "if dbutils.widgets.get('how') == 'slow':\n"
    "    open('/dbfs/pid', 'w').write(str(os.getpid()))\n"
    "    time.sleep(100)\n"
    "dbutils.notebook.exit('done')\n"
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a sandbox in a process of its own, which is stopped in the end."""
    monkeypatch.setenv("PYTHONPATH", unwarmed_site(tmp_path))
    yield tmp_path / "sandbox"
    for one in CLIENTS:
        one.api_client._api_client._session.close()
    CLIENTS.clear()
    process.stop(tmp_path / "sandbox")


def token_of_learner(folder: Path) -> str:
    """Written before the sandbox starts, as its first start does."""
    sandbox = Sandbox(folder, "https://localhost:1")
    sandbox.services = [Members(sandbox), WorkspaceFiles(sandbox), Permissions(sandbox)]
    token = str(sandbox.members.issue(LEARNER, "story", 0)["token_value"])
    sandbox.requests.close()
    sandbox.store.close()
    return token


def is_alive(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


def warm_processes(folder: Path) -> list[int]:
    """Process ids of this sandbox's warm processes."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().decode().split("\0")
            if "mlops_tui.sandbox.notebooks.warm" in words and str(folder) in str((entry / "cwd").readlink()):
                found.append(int(entry.name))
        except (OSError, ValueError):
            continue
    return found


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes through /proc")
@pytest.mark.timeout(240)
def test_a_killed_sandbox_tells_after_its_restart_what_became_of_its_runs(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = token_of_learner(folder)
    address = process.start(folder)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(folder / "ca.pem"))
    workspace = client(address.origin, token)
    path = notebook(workspace, "work", WORK)
    job = workspace.jobs.create(name="work", tasks=[task(path)], queue=QueueSettings(enabled=True))
    assert job.job_id

    slow = started(workspace, job.job_id, "build-1", "slow")
    waiting = started(workspace, job.job_id, "build-2", "")
    eventually(lambda: workspace.jobs.get_run(slow), lambda run: life(run) == "RUNNING")
    pid_file = folder / "files" / "dbfs" / "pid"
    eventually(lambda: pid_file.exists() and bool(pid_file.read_text()), bool)
    os.kill(address.pid, signal.SIGKILL)
    eventually(lambda: is_alive(int(pid_file.read_text())), lambda alive: not alive)

    again = process.start(folder)
    assert again.origin == address.origin
    assert again.pid != address.pid
    lost = workspace.jobs.get_run(slow)
    assert (life(lost), result(lost)) == ("INTERNAL_ERROR", "FAILED")
    assert lost.state
    assert "The sandbox was stopped while the run was active" in (lost.state.state_message or "")
    assert started(workspace, job.job_id, "build-1", "slow") == slow  # the same token, over the restart
    assert result(finished(workspace, waiting)) == "SUCCESS"  # what was queued goes on
    assert not [each for each in workspace.tokens.list() if (each.comment or "").startswith("run ")]

    workspace.jobs.repair_run(slow, rerun_all_failed_tasks=True, notebook_params={"how": ""})
    assert result(finished(workspace, slow)) == "SUCCESS"

    third = started(workspace, job.job_id, "build-3", "slow")
    eventually(lambda: workspace.jobs.get_run(third), lambda run: life(run) == "RUNNING")
    for pid in warm_processes(folder):
        os.kill(pid, signal.SIGKILL)
    lost = finished(workspace, third)
    assert (life(lost), result(lost)) == ("INTERNAL_ERROR", "FAILED")
    assert lost.status
    assert lost.status.as_dict()["termination_details"]["code"] == "CLUSTER_ERROR"
    begun = time.monotonic()
    assert process.stop(folder)
    assert time.monotonic() - begun < 10


def started(workspace: WorkspaceClient, job_id: int, token: str, how: str) -> int:
    run_id = workspace.jobs.run_now(job_id, idempotency_token=token, notebook_params={"how": how}).run_id
    assert run_id
    return run_id
