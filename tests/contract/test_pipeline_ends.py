"""How runs end that do not end by themselves: canceled, too slow, or with the sandbox."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops_tui.sandbox.pipelines import conductor
from mlops_tui.sandbox.pipelines.agent import LOST
from tests.contract.pipeline_desk import Desk, Side, desk, job, jobs, messages


@pytest.fixture
def azure(tmp_path: Path) -> Iterator[Desk]:
    with desk(tmp_path, "azure-devops") as found:
        yield found


GUARDED = "jobs: [{deployment: d, environment: prod, strategy: {runOnce: {deploy: {steps: [{script: echo}]}}}}]"


def alive(pid: int) -> bool:
    """A zombie has ended, too."""
    stat = Path(f"/proc/{pid}/stat")
    try:
        os.kill(pid, 0)
        return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


def pid_in(path: Path) -> int:
    deadline = time.monotonic() + 60
    while not path.exists() or not path.read_text().strip():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return int(path.read_text())


def gone(pid: int) -> None:
    deadline = time.monotonic() + 60
    while alive(pid):
        assert time.monotonic() < deadline, f"process {pid} is still there"
        time.sleep(0.02)


def sleeping(folder: Path) -> str:
    """Two jobs, of which the first sleeps in a child of a child."""
    return f"""
jobs:
- job: sleeper
  steps:
  - checkout: none
  - script: (sleep 60 & echo $! > {folder}/pid; wait); echo never
  - script: echo cleaned up
    condition: always()
  - script: echo not this
- job: after
  dependsOn: sleeper
  steps: [{{checkout: none}}, {{script: echo}}]
"""


def test_a_canceled_run_ends_its_processes_at_once(azure: Desk, tmp_path: Path) -> None:
    run_id = azure.launch(sleeping(tmp_path))["id"]
    pid = pid_in(tmp_path / "pid")
    azure.pipelines.cancel(run_id)
    run = azure.until(run_id, lambda found: found["state"] == "completed")
    gone(pid)
    assert run["result"] == "canceled"
    assert jobs(run) == {"sleeper": "canceled", "after": "canceled"}
    assert [step["result"] for step in job(run, "sleeper")["steps"][1:]] == ["canceled", "succeeded", "skipped"]
    assert "The operation was canceled." in azure.text(run)
    assert "\ncleaned up" in azure.text(run)
    azure.pipelines.cancel(run_id)  # nothing happens
    with pytest.raises(LookupError):
        azure.pipelines.cancel("99")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what a process was started with")
def test_what_a_step_leaves_in_a_session_of_its_own_ends_with_the_job(azure: Desk, tmp_path: Path) -> None:
    program = tmp_path / "leave.py"
    program.write_text(
        "import os, pathlib, time\n"
        "if os.fork():\n    os._exit(0)\n"
        "os.setsid()\n"
        f"pathlib.Path('{tmp_path}/pid').write_text(str(os.getpid()))\n"
        "time.sleep(60)\n"
    )
    text = f"""
steps:
- checkout: none
- script: python {program} > /dev/null 2>&1; while [ ! -s {tmp_path}/pid ]; do sleep 0.01; done
- script: kill -0 $(cat {tmp_path}/pid) && echo still there
"""
    run = azure.run(text)
    assert run["result"] == "succeeded", azure.text(run)
    gone(pid_in(tmp_path / "pid"))


def test_one_that_waits_can_be_canceled_too(azure: Desk) -> None:
    azure.side.guarded.add("prod")
    run = azure.until(azure.launch(GUARDED)["id"], lambda found: found["state"] == "waiting")
    azure.pipelines.cancel(run["id"])
    run = azure.until(run["id"], lambda found: found["state"] == "completed")
    assert run["result"] == "canceled"
    with pytest.raises(ValueError, match="decided already"):
        azure.pipelines.approve(run["id"], job(run, "d")["approval"]["id"], "me")


def test_nobody_waits_for_an_approval_for_ever(azure: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conductor, "APPROVAL_SECONDS", 0.05)
    azure.side.guarded.add("prod")
    run = azure.run(GUARDED)
    assert run["result"] == "failed"
    assert messages(job(run, "d")) == ["The approval has timed out."]


def test_a_step_and_a_job_that_take_too_long_have_failed(azure: Desk) -> None:
    run = azure.run("""
jobs:
- job: slow_step
  steps:
  - checkout: none
  - {script: sleep 60, timeoutInMinutes: 0.005}
  - {script: echo after, condition: failed()}
- job: slow_job
  timeoutInMinutes: 0.03
  steps:
  - checkout: none
  - script: sleep 60
  - {script: echo after, condition: always()}
""")
    assert jobs(run) == {"slow_step": "failed", "slow_job": "failed"}
    assert messages(job(run, "slow_step")) == ["The step has timed out."]
    assert messages(job(run, "slow_job")) == ["The job has exceeded the maximum execution time."]
    assert [step["result"] for step in job(run, "slow_step")["steps"][1:]] == ["failed", "succeeded"]
    assert [step["result"] for step in job(run, "slow_job")["steps"][1:]] == ["canceled", "succeeded"]


def test_two_jobs_run_side_by_side_and_no_more(azure: Desk, tmp_path: Path) -> None:
    """Each of three counts those that are there with it; the first two wait for each other."""
    wait = "until test -e seen || test $(ls | grep -c in-) -ge 2; do sleep 0.01; done"
    script = f"cd {tmp_path}; touch in-$(n); {wait}; ls | grep -c in- >> seen; sleep 0.1; rm in-$(n)"
    one = "- job: {0}\n  variables: {{n: {0}}}\n  steps: [{{checkout: none}}, {{script: '{1}'}}]\n"
    run = azure.run("jobs:\n" + "".join(one.format(name, script) for name in "abc"))
    assert run["result"] == "succeeded", azure.text(run)
    assert max((tmp_path / "seen").read_text().split()) == "2"


KILLED = """
import sys
from pathlib import Path
from tests.contract.pipeline_desk import Side, desk

folder = Path(sys.argv[1])
with desk(folder, "azure-devops", Side(guarded={"prod"})) as found:
    found.launch(Path(sys.argv[2]).read_text())
    run = found.launch(Path(sys.argv[3]).read_text())
    found.until(run["id"], lambda run: run["state"] == "waiting")
    Path(folder / "ready").touch()
    found.until("1", lambda run: run["state"] == "completed")
"""


def test_a_killed_sandbox_loses_what_ran_and_keeps_what_waited(tmp_path: Path) -> None:
    files = {"sleeping.yml": sleeping(tmp_path), "guarded.yml": GUARDED}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    command = [sys.executable, "-c", KILLED, str(tmp_path), *(str(tmp_path / name) for name in files)]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as child:
        pid = pid_in(tmp_path / "pid")
        while not (tmp_path / "ready").exists():
            assert child.poll() is None
            time.sleep(0.01)
        child.send_signal(signal.SIGKILL)
    gone(pid)
    with desk(tmp_path, "azure-devops", Side(guarded={"prod"})) as again:
        run = again.until("1", lambda found: found["state"] == "completed")
        assert run["result"] == "failed"
        assert jobs(run) == {"sleeper": "failed", "after": "skipped"}
        assert messages(job(run, "sleeper")) == [LOST]
        assert [step["state"] for step in job(run, "sleeper")["steps"]] == ["completed"] * 4
        waiting = again.pipelines.record("2")
        assert waiting is not None
        assert waiting["state"] == "waiting"
        again.pipelines.approve("2", job(waiting, "d")["approval"]["id"], "me")
        assert again.until("2", lambda found: found["state"] == "completed")["result"] == "succeeded"
        assert not list((tmp_path / "sandbox" / "pipelines" / "machines").iterdir())


def test_a_sandbox_that_stops_in_good_order_takes_its_jobs_with_it(tmp_path: Path) -> None:
    with desk(tmp_path, "azure-devops") as first:
        first.launch(sleeping(tmp_path))
        pid = pid_in(tmp_path / "pid")
    gone(pid)
    with desk(tmp_path, "azure-devops") as again:
        run = again.until("1", lambda found: found["state"] == "completed")
        assert messages(job(run, "sleeper"))[-1] == LOST
