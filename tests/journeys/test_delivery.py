"""From an empty home to predictions, by command: killed on the way, approved, beaten by a worse model, rolled back."""

from __future__ import annotations

import json
import os
import signal
import stat
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from mlops_tui.clouds.cloud import local_cloud
from mlops_tui.project import Project
from mlops_tui.sandbox import exports, process
from tests.contract.test_ci_identity import hire
from tests.credentials import of_owner
from tests.journeys.conftest import Ended, Home

pytestmark = [pytest.mark.xdist_group("delivery-journey"), pytest.mark.timeout(420)]

JSON = ("--output", "json")
BEST = "alpha=0.1,l1_ratio=0.1"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """One home for all stories of this module: each goes on where the one before has stopped."""
    made = Home(tmp_path_factory.mktemp("delivery"))
    try:
        yield made
    finally:
        made.close()


def job_runs(home: Home) -> Counter[str]:
    """How many runs each job has had."""
    told = home.run("sandbox", "env").out
    token = next(line.split("=", 1)[1] for line in told.splitlines() if "DATABRICKS_TOKEN" in line)
    address = process.status(home.sandbox)
    assert address is not None
    url = f"{address.origin}/api/2.2/jobs/runs/list?limit=24"
    found = exports._post(home.sandbox, url, None, {"Authorization": f"Bearer {token}"})
    return Counter(str(run["run_name"]).rpartition("(")[2].rstrip(")") for run in found.get("runs", []))


def endpoints(done: Ended) -> dict[str, dict[str, Any]]:
    """As they were told last."""
    return {one["stage"]: one for one in done.of_type("endpoints_read")[-1]["endpoints"]}


def begun(lane: str) -> Any:
    """Reached when the job of that lane has been started."""
    return lambda event: event["type"] == "identified" and event["what"] == f"{lane} job run"


def interrupted(home: Home, arguments: tuple[str, ...], reached: Any) -> tuple[int, str]:
    """The exit code, and what is told to do, after one Ctrl+C where `reached(event)`."""
    with home.start(*arguments, *JSON) as running:
        assert running.stdout is not None
        told: list[dict[str, Any]] = []
        for line in running.stdout:
            told.append(json.loads(line))
            if reached(told[-1]):
                running.send_signal(signal.SIGINT)
        code = running.wait(60)
    return code, next((event["error"]["hint"] for event in told if event["type"] == "problem"), "")


def test_killed_and_interrupted_the_same_command_goes_on_and_stops_before_production(place: Home) -> None:
    up = ("up", "--non-interactive", "--out", "out")
    place.kill_when(up, begun("image"), after=1.0)
    code, hint = interrupted(place, up, begun("staging"))
    assert (code, "mlops-tui cancel" in hint) == (130, True), hint
    done = place.run(*up, *JSON, timeout=200)
    assert done.code == 4, done.out[-3000:] + done.err
    assert job_runs(place) == {"Train": 1, "Build Container Image": 1, "Deploy To ACI": 1}, "nothing is done twice"

    now = endpoints(place.run("endpoints", *JSON))
    assert (now["staging"]["health"], now["production"]["health"]) == ("healthy", "absent")
    (asked,) = done.of_type("approval_asked")
    build = now["staging"]["build"]
    assert asked["command"] == f"mlops-tui deploy production --build {build} --approve"
    assert asked["verdict"] == "passed"
    assert [change["what"] for change in asked["changes"]] == [
        "Kubernetes cluster myaks",
        "Kubernetes online endpoint wine-quality-aks",
    ]
    assert "estimate" in asked["cost"]
    assert asked["command"] in done.of_type("problem")[-1]["error"]["hint"]


def test_the_next_stage_of_a_pipeline_finds_its_files(place: Home) -> None:
    out = place.folder / "out"
    image = json.loads((out / "metadata" / "image.json").read_text())
    metrics, verdict = (json.loads((out / name).read_text()) for name in ("metrics.json", "verdict.json"))
    assert metrics["best"] == BEST
    assert image["run_id"] == metrics["run_id"]
    assert image["metrics"] == metrics["metrics"]
    assert (verdict["image"], verdict["passed"], verdict["rows"]) == (image["model_image_id"], True, 400)
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in out.rglob("*.json"))
    again = place.run("deploy", "staging", "--image", "out/metadata/image.json", *JSON)
    assert again.code == 0, again.out + again.err
    assert job_runs(place)["Deploy To ACI"] == 1, "it answers with that image already"


def test_the_command_that_was_told_finishes_the_job_even_if_the_cloud_dies_meanwhile(place: Home) -> None:
    build = endpoints(place.run("endpoints", *JSON))["staging"]["build"]
    command = ("deploy", "production", "--build", build, "--approve")
    with place.start(*command, *JSON) as running:
        assert running.stdout is not None
        for line in running.stdout:
            if begun("production")(json.loads(line)):
                break
        time.sleep(1.5)
        address = process.status(place.sandbox)
        assert address is not None
        os.kill(address.pid, signal.SIGKILL)
        running.stdout.read()
        assert running.wait(60) == 1
    done = place.run(*command, *JSON, timeout=200)
    assert done.code == 0, done.out[-3000:] + done.err
    now = endpoints(done)
    for stage in ("staging", "production"):
        assert (now[stage]["health"], now[stage]["build"]) == ("healthy", build), now[stage]
    assert [one["traffic"] for one in now["production"]["deployments"]] == [100]
    (approved,) = done.of_type("approved")
    assert approved["build"] == build
    images = place.run("images", *JSON).of_type("images_listed")[0]["images"]
    assert [(one["build"], one["approved_by"]) for one in images] == [(build, approved["by"])]


def test_a_second_time_nothing_is_trained_or_deployed_anew(place: Home) -> None:
    before, last = job_runs(place), place.last_request()
    done = place.run("up", "--non-interactive", "--approve", timeout=120)
    assert done.code == 0, done.out[-3000:] + done.err
    assert "is trained already; to train anew: mlops-tui train" in done.out
    assert "Plan: 0 changes to make" in done.out
    assert job_runs(place) == before
    writes = [
        write for write in place.writes_since(last) if "/onlineEndpoints/" in write or "/containerGroups/" in write
    ]
    assert [write for write in writes if not write.startswith("POST")] == []


def test_real_rows_are_answered_by_both_stages(place: Home) -> None:
    for stage in ("staging", "production"):
        (answered,) = place.run("try", stage, *JSON).of_type("predicted")
        assert len(answered["predictions"]) == 5
        assert all(3 < prediction < 9 for prediction in answered["predictions"])
    (place.folder / "rows.json").write_text('[{"alcohol": "much"}]')
    wrong = place.run("try", "staging", "--rows", "rows.json")
    assert wrong.code == 2
    assert "'alcohol' must be a number" in wrong.err
    assert "POST /score" in place.run("logs", "production").out


def test_a_model_that_misses_the_gate_gets_no_image(place: Home) -> None:
    assert place.run("train", "--run", "alpha=0.9,l1_ratio=0.9", "--build-number", "bad").code == 1
    done = place.run("build", "--build", "bad")
    assert done.code == 1
    assert "misses the gate" in done.err
    assert len(place.run("images", *JSON).of_type("images_listed")[0]["images"]) == 1


def test_a_worse_model_loses_to_the_champion_and_production_stays(place: Home) -> None:
    champion = endpoints(place.run("endpoints", *JSON))["production"]["build"]
    assert place.run("train", "--run", "alpha=0.5,l1_ratio=0.5", "--build-number", "worse").code == 0
    assert place.run("build", "--build", "worse", timeout=150).code == 0
    assert place.run("deploy", "staging", "--build", "worse", timeout=150).code == 0
    judged = place.run("validate", *JSON)
    assert judged.code == 1
    (verdict,) = [event["verdict"] for event in judged.of_type("validated")]
    assert [check["name"] for check in verdict["checks"] if not check["passed"]] == ["champion"]
    refused = place.run("deploy", "production", "--approve")
    assert refused.code == 1
    assert "Production takes no build without a passed validation" in refused.err
    assert endpoints(place.run("endpoints", *JSON))["production"]["build"] == champion


def test_somebody_who_says_why_may_overrule_that_and_roll_it_back(place: Home) -> None:
    champion = endpoints(place.run("endpoints", *JSON))["production"]["build"]
    forced = place.run("deploy", "production", "--approve", "--force", "to be tried", *JSON, timeout=150)
    assert forced.code == 0, forced.out[-3000:] + forced.err
    assert forced.of_type("approved")[0]["force"] == "to be tried"
    now = endpoints(forced)["production"]
    assert (now["build"], now["previous"]) == ("worse", champion)
    back = place.run("rollback", "production", *JSON)
    assert back.code == 0, back.out + back.err
    assert endpoints(back)["production"]["build"] == champion
    journals = "".join(file.read_text() for file in place.data.glob("journal/*-deploy-*.jsonl"))
    assert '"force": "to be tried"' in journals


def test_ci_trains_and_stages_on_what_a_person_has_set_up(place: Home) -> None:
    """By a service principal that may read no directory: up to the approval, which a person may type."""
    kept = of_owner(place.sandbox)
    address = process.status(place.sandbox)
    assert address is not None
    made = hire(Project(**kept), local_cloud(address.origin, str(place.sandbox / "ca.pem")), "a build")
    identity = {
        "ARM_TENANT_ID": kept["tenant_id"],
        "ARM_SUBSCRIPTION_ID": kept["subscription_id"],
        "ARM_CLIENT_ID": made["client_id"],
        "ARM_CLIENT_SECRET": made["client_secret"],
    }
    run = ("--run", "alpha=0.05,l1_ratio=0.1", "--build-number", "41")
    built = place.run("up", "--non-interactive", *JSON, *run, timeout=150, **identity)
    assert built.code == 4, built.out[-3000:] + built.err
    assert built.of_type("plan_ready")[0]["pending"] == 0
    assert built.of_type("runs_compared")[0]["passed"]
    assert any(made["client_id"] in json.dumps(event) for event in built.of_type("planned")), "it was the build"
    [asked] = built.of_type("approval_asked")
    assert asked["command"] == "mlops-tui deploy production --build 41 --approve"


def test_no_secret_is_in_any_journal_or_file(place: Home) -> None:
    owner = json.loads((place.sandbox / "credentials.json").read_text())["client_secret"]
    files = [path for path in place.folder.rglob("*") if path.is_file() and not path.is_relative_to(place.sandbox)]
    assert files
    for path in files:
        text = path.read_text(errors="replace")
        assert owner not in text, path
        assert "Bearer ey" not in text, path


def test_what_is_not_there_is_told(place: Home, tmp_path: Any) -> None:
    lost = place.run("deploy", "staging", "--image", f"localhost/mlops/winequality@sha256:{'0' * 64}")
    assert lost.code == 1
    assert "tells of the image" in lost.err
    for text in ("None", "null", "winequality:latest"):
        assert place.run("deploy", "staging", "--image", text).code == 2
    assert "No image of build 9 has been made" in place.run("deploy", "staging", "--build", "9").err
