"""What goes wrong, and how it is told: exit codes, messages, and no damage done."""

from __future__ import annotations

import json
import signal
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from mlops_tui.sandbox import process
from tests.conftest import unwarmed_site
from tests.journeys.conftest import SLOW, Home

pytestmark = [pytest.mark.xdist_group("mishaps"), pytest.mark.timeout(170)]

STEPS = (
    "resource-group",
    "databricks-workspace",
    "service-principal",
    "secret-scope",
    "notebooks",
    "cluster",
    "train-job",
    "delivery-jobs",
)


@pytest.fixture
def quick(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home of the test's own whose clusters are up at once: nothing is trained there."""
    home.variables["PYTHONPATH"] = unwarmed_site(tmp_path_factory.mktemp("site"))
    return home


def counts(home: Home) -> dict[str, int]:
    """How many of each thing the sandbox holds, read from its own store."""
    from mlops_tui.sandbox.store import Store

    store = Store(home.sandbox)
    try:
        applications = [one for one in store.list("application") if one["displayName"] == "MLOps-Databricks"]
        ids = {one["appId"] for one in applications}
        principals = [one for one in store.list("service-principal") if one["appId"] in ids]
        principal_ids = {one["id"] for one in principals}
        assignments = [
            one for one in store.list("role-assignment") if one["properties"]["principalId"] in principal_ids
        ]
        return {
            "applications": len(applications),
            "principals": len(principals),
            "assignments": len(assignments),
            "passwords": sum(len(one["passwordCredentials"]) for one in applications),
        }
    finally:
        store.close()


def databricks(home: Home) -> dict[str, int]:
    """The same for the workspace, through its API."""
    exports = home.run("sandbox", "env")
    assert exports.code == 0
    token = next(line.split("=", 1)[1] for line in exports.out.splitlines() if "DATABRICKS_TOKEN" in line)
    address = process.status(home.sandbox)
    assert address is not None

    def read(path: str) -> dict[str, Any]:
        from mlops_tui.sandbox import exports as client

        answer: dict[str, Any] = client._post(
            home.sandbox, address.origin + path, None, {"Authorization": f"Bearer {token}"}
        )
        return answer

    return {
        "scopes": len(read("/api/2.0/secrets/scopes/list").get("scopes", [])),
        "keys": len(read("/api/2.0/secrets/list?scope=azureml").get("secrets", [])),
        "clusters": len(read("/api/2.1/clusters/list").get("clusters", [])),
        "jobs": len(read("/api/2.2/jobs/list").get("jobs", [])),
    }


@pytest.mark.parametrize("delay", [0.0, 0.15])
def test_killed_in_each_step_the_same_command_completes_with_one_of_everything(quick: Home, delay: float) -> None:
    for step in STEPS:
        quick.kill_when(
            ("setup",),
            lambda event, step=step: (
                event["type"] == "step_state" and (event["step"], event["state"]) == (step, "running")
            ),
            after=delay,
        )
    done = quick.run("setup")
    assert done.code == 0, done.out + done.err
    assert counts(quick) == {"applications": 1, "principals": 1, "assignments": 1, "passwords": 1}
    assert databricks(quick) == {"scopes": 1, "keys": 6, "clusters": 1, "jobs": 4}
    assert "Nothing to do." in quick.run("setup").out


def test_killed_in_mid_training_the_same_command_completes(home: Home) -> None:
    home.use_notebook(SLOW)
    seen = home.kill_when(("up",), lambda event: event["type"] == "log_line" and event["text"] == "line 3")
    (number,) = [event["id"] for event in seen if event["type"] == "identified" and event["what"] == "job run"]
    assert home.run("cancel", number).code == 0
    (home.folder / "mlops.toml").unlink()
    done = home.set_up_and_train("--output", "json")
    assert done.code == 0, done.out[-2000:] + done.err
    assert len(done.of_type("runs_compared")[0]["results"]) == 3
    assert databricks(home)["jobs"] == 4


def test_ctrl_c_leaves_the_runs_going_and_the_way_back_works(quick: Home) -> None:
    quick.use_notebook(SLOW)
    with quick.start("up", "--output", "json") as running:
        assert running.stdout is not None
        events, pressed = [], False
        for line in running.stdout:
            events.append(json.loads(line))
            if not pressed and events[-1].get("text") == "line 2":
                pressed = True
                running.send_signal(signal.SIGINT)
        code = running.wait(30)
    assert code == 130
    (number,) = [event["id"] for event in events if event["type"] == "identified" and event["what"] == "job run"]
    assert any(number in event["error"]["hint"] for event in events if event["type"] == "problem"), events[-5:]
    time.sleep(1)
    assert quick.run("cancel", number).code == 0
    ended = quick.run("logs", number, "--follow", "--output", "json")
    assert ended.code == 1
    assert {run["status"] for run in ended.of_type("runs_compared")[0]["results"]} == {"canceled"}


def test_a_missing_setting_names_every_way_to_give_it(home: Home) -> None:
    done = home.run("setup", "--cloud", "AzureCloud", "--sign-in", "environment")
    assert done.code == 2
    for way in ("ARM_TENANT_ID", "--tenant-id", "azure.tenant_id", "ARM_CLIENT_ID", "ARM_CLIENT_SECRET"):
        assert way in done.err


def test_malformed_toml_is_told_with_its_line(home: Home) -> None:
    (home.folder / "mlops.toml").write_text('[azure]\nlocation = "westeurope\n')
    done = home.run("up")
    assert done.code == 2
    assert "mlops.toml:2" in done.err
    assert process.status(home.sandbox) is None


def test_impossible_settings_are_told_all_at_once_before_any_call(home: Home) -> None:
    (home.folder / "mlops.toml").write_text(
        '[azure]\nresource_group = "ends-with-a-dot."\nlocatoin = "westeurope"\n'
        "[[training.runs]]\nalpha = -1\nl1_ratio = 2\n"
    )
    done = home.run("up")
    assert done.code == 2
    for piece in ("mlops.toml:2", "mlops.toml:3", "location", "mlops.toml:5", "mlops.toml:6"):
        assert piece in done.err
    assert process.status(home.sandbox) is None


def test_the_home_is_not_needed_by_the_wheel_and_has_only_its_own_files(home: Home) -> None:
    assert home.run("--version").code == 0
    assert list(Path(home.folder).iterdir()) == []


def test_a_taken_port_is_told_with_the_way_out(home: Home) -> None:
    assert home.run("sandbox", "start").code == 0
    assert home.run("sandbox", "stop").code == 0
    address = process.read_address(home.sandbox)
    assert address is not None
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", address.port))
        squatter.listen()
        done = home.run("setup", "--plan")
        assert done.code == 1
        assert f"Another program holds port {address.port}" in done.err
        assert home.run("sandbox", "reset", "--yes").code == 0
        assert home.run("sandbox", "start", "--port", str(process._free_port())).code == 0
