"""What goes wrong where all is set up and trained, and how it is told."""

from __future__ import annotations

import json
import os
import signal
import threading
from typing import Any

import pytest

from mlops_tui.sandbox import process
from tests.journeys.conftest import SLOW, Ended, Home

pytestmark = [pytest.mark.xdist_group("main-job"), pytest.mark.timeout(170)]

RAISES = """# Databricks notebook source
raise ValueError("the data has no column 'quality'")
"""


def tracked(home: Home) -> list[dict[str, Any]]:
    """All runs that are remembered."""
    results: list[dict[str, Any]] = home.run("runs", "--output", "json").of_type("runs_listed")[0]["results"]
    return results


def test_a_wrong_client_secret_is_a_sign_in_error(settled: Home) -> None:
    done = settled.run("setup", ARM_CLIENT_SECRET="certainly-not-it")
    assert done.code == 3
    assert "AADSTS7000215" in done.err
    assert "What to do" in done.err
    assert "certainly-not-it" not in done.out + done.err


def test_a_principal_without_a_role_is_told_which_role_it_needs(settled: Home) -> None:
    address = process.status(settled.sandbox)
    assert address is not None
    owner = json.loads((settled.sandbox / "credentials.json").read_text())
    client_id, secret = new_principal(settled, address.origin, owner)
    done = settled.run("setup", ARM_TENANT_ID=owner["tenant_id"], ARM_CLIENT_ID=client_id, ARM_CLIENT_SECRET=secret)
    assert done.code == 3, done.out + done.err
    assert "role" in done.err
    assert secret not in done.out + done.err


def new_principal(home: Home, origin: str, owner: dict[str, str]) -> tuple[str, str]:
    """An application with a principal and a secret, and no role at all."""
    import urllib.parse

    from mlops_tui.sandbox import exports as client

    form = {
        "grant_type": "client_credentials",
        "client_id": owner["client_id"],
        "client_secret": owner["client_secret"],
        "scope": f"{origin}/graph/.default",
    }
    url = f"{origin}/{owner['tenant_id']}/oauth2/v2.0/token"
    token = client._post(home.sandbox, url, urllib.parse.urlencode(form).encode(), {})["access_token"]
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def post(path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = client._post(
            home.sandbox, f"{origin}/graph/v1.0{path}", json.dumps(body).encode(), headers
        )
        return answer

    application = post("/applications", {"displayName": "no role"})
    post("/servicePrincipals", {"appId": application["appId"]})
    password = post(f"/applications/{application['id']}/addPassword", {"passwordCredential": {"displayName": "test"}})
    return application["appId"], password["secretText"]


def test_a_notebook_that_raises_fails_the_command_with_its_error(settled: Home) -> None:
    settled.use_notebook(RAISES)
    try:
        done = settled.run("up")
    finally:
        (settled.folder / "mlops.toml").unlink()
    assert done.code == 1
    assert "the data has no column 'quality'" in done.out
    assert "3 of 3 runs did not succeed" in done.err
    assert settled.run("setup").code == 0


def test_a_missed_gate_is_exit_code_1_with_the_table_shown(settled: Home) -> None:
    done = settled.run("train", "--run", "alpha=0.9,l1_ratio=0.9")
    assert done.code == 1
    assert "missed" in done.out
    assert "The gate rmse < 0.8 is missed" in done.err


def test_the_practice_cloud_killed_in_mid_training_is_told_and_loses_nothing(settled: Home) -> None:
    before = [run["run_id"] for run in tracked(settled)]
    settled.use_notebook(SLOW)
    running = settled.start("up", "--output", "json")
    out: list[str] = []
    reached = threading.Event()

    def read() -> None:
        assert running.stdout is not None
        for line in running.stdout:
            out.append(line)
            if json.loads(line).get("text") == "line 3":
                reached.set()

    reader = threading.Thread(target=read)
    reader.start()
    assert reached.wait(90)
    address = process.status(settled.sandbox)
    assert address is not None
    os.kill(address.pid, signal.SIGKILL)
    code = running.wait(60)
    reader.join(10)
    assert running.stderr is not None
    ended = Ended(code, "".join(out), running.stderr.read())
    running.stderr.close()
    running.stdout and running.stdout.close()
    assert ended.code == 1
    problem = ended.of_type("problem")[-1]["error"]
    assert "has not answered" in problem["message"]
    assert "same command again" in problem["hint"]

    (number,) = [event["id"] for event in ended.of_type("identified") if event["what"] == "job run"]
    assert settled.run("sandbox", "start").code == 0
    after = settled.run("logs", number, "--follow", "--output", "json")
    assert after.code == 1
    assert {state["state"] for state in after.of_type("run_state")} >= {"failed"}, after.out[-3000:] + after.err
    lines = [event["text"] for event in after.of_type("log_line") if event["text"].startswith("line ")]
    assert "line 3" in lines
    (settled.folder / "mlops.toml").unlink()
    done = settled.set_up_and_train()
    assert done.code == 0, done.out[-2000:] + done.err
    assert {run["run_id"] for run in tracked(settled)} > set(before)
