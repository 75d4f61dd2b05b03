"""However a run ends, it says how, and nothing of it is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from mlops_tui.sandbox.notebooks import cluster as cluster_module
from mlops_tui.sandbox.notebooks.cluster import Cluster
from mlops_tui.sandbox.process import _alive
from tests.contract.notebook_desk import (
    ESCAPES,
    HANGS,
    Desk,
    pids_in,
    practice_root,
    wait_for,
    wait_until_gone,
    warm_desk,
)

# The first test of a process warms the cluster, which takes its time on a busy machine.
pytestmark = [pytest.mark.xdist_group("notebooks"), pytest.mark.timeout(240)]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return warm_desk(tmp_path)


def test_cancelling_ends_everything_that_the_run_started(desk: Desk) -> None:
    started = desk.start(
        HANGS + "try:\n    time.sleep(300)\nexcept BaseException as end:\n    print('told', type(end))\n    raise"
    )
    pids = pids_in(desk.root / "dbfs/pids", 4)
    asked = time.monotonic()
    desk.cluster.cancel(started.run_id)
    outcome, output = started.end()
    assert outcome.state == "CANCELED"
    assert time.monotonic() - asked < 4
    assert "told" in output  # a training can close its MLflow run
    for pid in pids if ESCAPES else pids[:3]:
        wait_until_gone(pid)


def test_a_run_that_will_not_end_is_killed(desk: Desk) -> None:
    started = desk.start(
        """
        import os, time
        with open("/dbfs/pids", "w") as file:
            print(os.getpid(), file=file)
        while True:
            try:
                time.sleep(60)
            except BaseException:
                print("no")
        """
    )
    (pid,) = pids_in(desk.root / "dbfs/pids", 1)
    desk.cluster.cancel(started.run_id)
    assert started.end()[0].state == "CANCELED"
    assert not _alive(pid)


def test_a_run_out_of_time_is_timed_out(desk: Desk) -> None:
    outcome, output = desk.run("print('began', flush=True)\nimport time\ntime.sleep(60)", timeout=0.5)
    assert outcome.state == "TIMEDOUT"
    assert outcome.error == "Run timed out after 0.5 seconds"
    assert outcome.seconds < 4
    assert output.startswith("began\n")


def test_background_processes_end_with_the_run(desk: Desk) -> None:
    outcome, _ = desk.run(HANGS)
    assert outcome.state == "SUCCESS"
    pids = pids_in(desk.root / "dbfs/pids", 4)
    for pid in pids if ESCAPES else pids[:3]:
        wait_until_gone(pid)


OUT_OF_MEMORY = " This may have been caused by an OOM error. Check your command's memory usage."


@pytest.mark.parametrize(
    ("crash", "how"),
    [
        ("os._exit(3)", "exit code 3."),
        ("ctypes.string_at(0)", "exit code 139 (SIGSEGV: Segmentation fault)."),
        ("os.kill(os.getpid(), signal.SIGKILL)", f"exit code 137 (SIGKILL: Killed).{OUT_OF_MEMORY}"),
    ],
)
def test_a_python_process_that_dies_fails_its_run_only(desk: Desk, crash: str, how: str) -> None:
    outcome, output = desk.run(f"import ctypes, os, signal\nprint('before')\n{crash}")
    assert outcome.state == "FAILED"
    assert outcome.error == f"Fatal error: The Python kernel is unresponsive. The Python process exited with {how}"
    assert output.startswith("before\n")
    assert desk.run("print(1)")[0].state == "SUCCESS"


def test_a_cluster_that_is_killed_loses_its_runs_and_leaves_nothing(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(cluster_module, "forking_is_safe", lambda: False)  # starts at once
    cluster = Cluster(tmp_path / "cluster", "killed")
    desk = Desk(cluster, practice_root(tmp_path))
    started = desk.start(HANGS + "time.sleep(300)")  # before the cluster is there
    cluster.start()
    pids = pids_in(desk.root / "dbfs/pids", 4)
    assert cluster.pid is not None
    os.kill(cluster.pid, signal.SIGKILL)
    outcome, _ = started.end()
    assert outcome.state == "LOST"
    assert cluster.state == "terminated"
    for pid in pids if ESCAPES else pids[:3]:
        wait_until_gone(pid)
    assert desk.run("print(1)")[0].state == "LOST"
    cluster.stop()


def test_where_forking_is_not_safe_runs_are_fresh_processes(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(cluster_module, "forking_is_safe", lambda: False)
    cluster = Cluster(tmp_path / "cluster", "fresh")
    cluster.start()
    desk = Desk(cluster, practice_root(tmp_path))
    desk.write("dbutils.notebook.exit(open('/dbfs/a').read())", "child")
    outcome, output = desk.run(
        """
        import os
        kept = 1
        with open("/dbfs/a", "w") as file:
            file.write(dbutils.widgets.get("alpha"))
        # COMMAND ----------
        dbutils.library.restartPython()
        # COMMAND ----------
        import os
        print(os.environ["GIVEN"], "kept" in globals(), "hidden-value")
        dbutils.notebook.exit(dbutils.notebook.run("child"))
        """,
        {"alpha": "0.3"},
        environment={"GIVEN": "yes"},
        secrets=("hidden-value",),
    )
    assert (outcome.state, outcome.result) == ("SUCCESS", "0.3"), output
    assert output.startswith("yes False [REDACTED]\n")
    cluster.stop()


OWNER = """
import sys, time
from pathlib import Path
from mlops_tui.sandbox.notebooks import cluster as module
from mlops_tui.sandbox.notebooks.cluster import Cluster, NotebookRun
module.forking_is_safe = lambda: False
root = Path(sys.argv[1])
cluster = Cluster(root / "cluster", "orphaned")
cluster.start()
cluster.submit(NotebookRun(1, root / "hangs.py", {}, root, {}, root / "output.txt"), print)
while not cluster.pid:
    time.sleep(0.01)
print(cluster.pid, flush=True)
time.sleep(60)
"""


def test_a_sandbox_that_is_killed_takes_its_cluster_and_runs_along(tmp_path: Path) -> None:
    root = practice_root(tmp_path)
    (root / "hangs.py").write_text(HANGS + "time.sleep(300)")
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(root)], stdout=subprocess.PIPE, text=True)
    assert owner.stdout
    with owner.stdout:
        cluster_pid = int(owner.stdout.readline())
        wait_for((root / "dbfs/pids").exists, 60)
        pids = pids_in(root / "dbfs/pids", 4)
        owner.kill()
        owner.wait(10)
    for pid in [cluster_pid, *(pids if ESCAPES else pids[:3])]:
        wait_until_gone(pid)


def test_a_cluster_can_be_stopped_while_it_warms_up(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path / "cluster", "hasty")
    desk = Desk(cluster, practice_root(tmp_path))
    started = desk.start("print(1)")
    cluster.start()
    wait_for(lambda: cluster.pid)
    asked = time.monotonic()
    cluster.stop()
    assert time.monotonic() - asked < 3
    assert started.end()[0].state == "LOST"
    assert not cluster.wait_ready(1)


def test_a_cluster_stopped_by_its_user_loses_its_runs(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(cluster_module, "forking_is_safe", lambda: False)
    cluster = Cluster(tmp_path / "cluster", "stopped")
    desk = Desk(cluster, practice_root(tmp_path))
    waiting = desk.start("print(1)")
    desk.cluster.cancel(waiting.run_id)
    cluster.start()
    assert waiting.end()[0].state == "CANCELED"  # it had not begun
    started = desk.start(HANGS + "time.sleep(300)")
    pids = pids_in(desk.root / "dbfs/pids", 4)
    cluster.stop()
    assert started.end()[0].state == "LOST"
    assert not any(_alive(pid) for pid in (pids if ESCAPES else pids[:3]))
    assert cluster.state == "terminated"
