"""Staging is asked about the build's kept test set, and the verdict stands where whoever deploys can see it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from mlops_tui.delivery import names
from mlops_tui.delivery.validation import validate
from mlops_tui.errors import (
    DeliveryFailedError,
    Interrupted,
    NotFoundError,
    SignInError,
    UsageError,
    ValidationFailedError,
)
from mlops_tui.events import LaneState, Validated, Verdict
from tests.contract.delivery_stories import KEY, ROWS, Desk, make_desk, make_place  # noqa: F401 (fixtures)

pytestmark = [pytest.mark.xdist_group("delivery"), pytest.mark.timeout(180)]


def ask(desk: Desk, build: str = "") -> Verdict:
    desk.events.clear()
    validate(desk.session, desk.events.append, "staging", build)
    return verdict(desk)


def verdict(desk: Desk) -> Verdict:
    (found,) = desk.told(Validated)
    assert isinstance(found.verdict, Verdict)
    return found.verdict


def tags(desk: Desk, build: str) -> dict[str, str]:
    found: dict[str, str] = next(one.tags for one in desk.versions() if one.tags["build_number"] == build)
    return found


def states(desk: Desk) -> list[str]:
    return [event.state for event in desk.told(LaneState) if event.lane == "validation"]


def test_a_build_that_answers_as_trained_is_let_through_and_says_so_on_its_version(desk: Desk) -> None:
    built = desk.build("17")
    desk.to_staging(built)
    found = ask(desk)
    assert found.passed
    assert (found.build, found.image, found.rows, found.champion) == ("17", built.image, ROWS, "")
    assert all(check.passed for check in found.checks)
    details = {check.name: check.detail for check in found.checks}
    assert details["champion"] == "none to beat: nothing is in production yet"
    assert "over 100 single rows" in details["latency"]
    assert 0 < found.p50_ms <= found.p95_ms < 1000
    (rmse, mae) = found.comparisons
    assert rmse.trained == pytest.approx(rmse.served)
    assert (mae.metric, mae.trained) == ("mae", None)
    assert states(desk) == ["running", "done"]
    told = tags(desk, "17")
    assert (told["verdict"], told["verdict_build"]) == ("passed", "17")
    assert told["verdict_at"].startswith("20")
    assert "rmse" in told["verdict_detail"]
    assert told["model_image_id"] == built.image, "what was there stays"
    assert KEY not in json.dumps([str(event) for event in desk.events])


def test_mlflow_s_version_carries_the_verdict_too_where_there_is_one(desk: Desk) -> None:
    built = desk.build("17")
    desk.to_staging(built)
    ask(desk)
    (warning,) = desk.lines("warning")
    assert "MLflow's registry" in warning
    model = desk.project.delivery.registered
    desk.mlflow("registered-models/create", {"name": model})
    source = f"dbfs:/databricks/mlflow-tracking/0/{built.run_id}/artifacts/model"
    desk.mlflow("model-versions/create", {"name": model, "source": source, "run_id": built.run_id})
    ask(desk)
    assert desk.lines("warning") == []
    client = desk.session.clients.databricks(desk.place.live.origin).client
    query = {"name": model, "version": "1"}
    answer: Any = client.api_client.do("GET", "/api/2.0/mlflow/model-versions/get", query=query)
    kept = {tag["key"]: tag["value"] for tag in answer["model_version"]["tags"]}
    assert (kept["verdict"], kept["verdict_build"]) == ("passed", "17")


def test_unity_catalog_s_version_carries_it_as_well(desk: Desk) -> None:
    built = desk.build("17")
    desk.to_staging(built)
    model = f"main.default.{desk.project.name}"
    delivery = replace(desk.project.delivery, registered_model=model)
    desk.session.project = replace(desk.project, delivery=delivery)
    desk.mlflow("unity-catalog/registered-models/create", {"name": model})
    source = f"dbfs:/databricks/mlflow-tracking/0/{built.run_id}/artifacts/model"
    made = desk.mlflow(
        "unity-catalog/model-versions/create", {"name": model, "source": source, "run_id": built.run_id}
    )["model_version"]
    ask(desk)
    assert desk.lines("warning") == []
    client = desk.session.clients.databricks(desk.place.live.origin).client
    query = {"name": model, "version": made["version"]}
    answer: Any = client.api_client.do("GET", "/api/2.0/mlflow/unity-catalog/model-versions/get", query=query)
    kept = {tag["key"]: tag["value"] for tag in answer["model_version"]["tags"]}
    assert kept["verdict"] == "passed"


def test_a_container_that_predicts_something_else_fails_by_how_much(desk: Desk) -> None:
    desk.to_staging(desk.build("18", off=0.25))
    with pytest.raises(ValidationFailedError) as caught:
        ask(desk)
    assert "Build 18 fails 2 checks in staging" in caught.value.message
    assert "40 of 40 differ from training's, by up to 0.25" in caught.value.message
    assert "mlops-tui logs staging" in caught.value.hint
    assert not verdict(desk).passed
    assert states(desk) == ["running", "failed"]
    assert tags(desk, "18")["verdict"] == "failed"
    assert "predictions: 40 of 40" in tags(desk, "18")["verdict_detail"]


def test_a_model_that_misses_the_gate_fails_even_if_it_answers_as_trained(desk: Desk) -> None:
    desk.to_staging(desk.build("19", slope=0.8))
    with pytest.raises(ValidationFailedError, match=r"gate \(served rmse .*wanted rmse < 0.8, missed by"):
        ask(desk)
    assert [check.name for check in verdict(desk).checks if not check.passed] == ["gate"]


def test_another_build_in_staging_is_no_verdict_on_this_one(desk: Desk) -> None:
    desk.build("20")
    desk.to_staging(desk.build("21"))
    with pytest.raises(UsageError, match="Staging serves build 21, not build 20") as caught:
        ask(desk, "20")
    assert "deploy staging --build 20" in caught.value.hint
    assert "verdict" not in tags(desk, "20")
    with pytest.raises(UsageError, match="No image of build 99"):
        ask(desk, "99")


def test_an_image_that_somebody_put_there_by_hand_is_noticed(desk: Desk) -> None:
    """It answers, but no build has made it: there is nothing to compare it with."""
    first = desk.build("1")
    desk.to_staging(first)
    other = desk.build("2")
    group = names.container_group_id(desk.session)
    body = desk.group_body(other, {"build_number": "1", "model_image_id": first.image})
    desk.put(group, "2023-05-01", body)
    with pytest.raises(UsageError, match="serves build unknown, not build 1"):
        ask(desk, "1")


def test_nothing_in_staging_is_told_with_what_to_do(desk: Desk) -> None:
    with pytest.raises(UsageError, match="Nothing is deployed to staging") as caught:
        ask(desk)
    assert "mlops-tui deploy staging" in caught.value.hint
    assert states(desk) == ["running", "failed"]


def test_a_test_set_that_was_not_kept_is_told(desk: Desk) -> None:
    built = desk.build("22")
    folder = desk.place.live.folder / "files" / "dbfs" / "databricks" / "mlflow-tracking"
    (kept,) = folder.glob(f"*/{built.run_id}/artifacts/test_set/test.csv")
    kept.unlink()
    desk.to_staging(built)
    with pytest.raises(DeliveryFailedError, match="has not kept its test set"):
        ask(desk)
    assert "verdict" not in tags(desk, "22"), "what could not be asked is no verdict"


def test_a_wrong_or_lost_key_is_no_verdict(desk: Desk) -> None:
    desk.to_staging(desk.build("23"))
    secrets = desk.session.clients.databricks(desk.place.live.origin).secrets
    secrets.put(desk.place.scope, names.STAGING_KEY, "an-older-key-of-the-stories")
    try:
        with pytest.raises(SignInError, match="refuses the key"):
            ask(desk)
        client = desk.session.clients.databricks(desk.place.live.origin).client
        client.secrets.delete_secret(desk.place.scope, names.STAGING_KEY)
        with pytest.raises(NotFoundError, match=r"no secret .*/staging_key"):
            ask(desk)
    finally:
        secrets.put(desk.place.scope, names.STAGING_KEY, KEY)
    assert "verdict" not in tags(desk, "23")


def test_who_is_told_to_stop_leaves_no_verdict(desk: Desk) -> None:
    desk.to_staging(desk.build("24"))
    desk.session.cancelled.set()
    with pytest.raises(Interrupted):
        ask(desk)
    assert "verdict" not in tags(desk, "24")
