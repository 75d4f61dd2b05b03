"""The step of the delivery jobs against a live sandbox: made, compared, changed with the targets, taken away."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from mlops_tui.events import Change
from mlops_tui.project import Delivery
from mlops_tui.setup.cluster import Cluster
from mlops_tui.setup.delivery_jobs import LIBRARIES, DeliveryJobs
from mlops_tui.setup.notebooks import Notebooks
from tests.contract.test_setup_databricks import Door, Wizard, door, hired, live, project, wizard  # noqa: F401 (fixtures)

pytestmark = pytest.mark.xdist_group("setup-databricks")
STEPS = (Notebooks(), Cluster(), DeliveryJobs())


def pending(who: Wizard) -> list[Change]:
    return list(who.plan(*STEPS).findings["delivery-jobs"].pending)


def settings(who: Wizard, kind: str) -> dict[str, Any]:
    return who.databricks.jobs.settings(int(who.session.know(f"{kind}_job_id", "delivery-jobs")))


def test_one_job_for_the_image_and_one_for_each_target_and_a_second_time_nothing(wizard: Wizard, door: Door) -> None:  # noqa: F811
    name = wizard.session.project.job_prefix
    assert wizard.apply(*STEPS).error is None
    before = door("GET", "/_sandbox/requests?writes=1")["requests"]
    assert pending(wizard) == []
    assert door("GET", "/_sandbox/requests?writes=1")["requests"] == before
    for kind, title, notebook in (
        ("build", "Build Container Image", "serving_build_container_image"),
        ("aci", "Deploy To ACI", "serving_deploy_to_aci"),
        ("aks", "Deploy To AKS", "serving_deploy_to_aks"),
    ):
        there = settings(wizard, kind)
        assert there["name"] == f"{name} ({title})"
        assert (there["max_concurrent_runs"], there["queue"]) == (1, {"enabled": True}), "deployments never race"
        [task] = there["tasks"]
        assert task["notebook_task"]["notebook_path"] == f"/Shared/{name}/{notebook}"
        assert task["existing_cluster_id"] == wizard.session.know("cluster_id", "cluster")
        assert {one["pypi"]["package"] for one in task["libraries"]} == set(LIBRARIES)
        given = task["notebook_task"]["base_parameters"]
        assert given.pop("log_path") == "{{job.parameters.log_folder}}/{{job.run_id}}/delivery"
        parameters = {one["name"]: one["default"] for one in there["parameters"]}
        assert set(given) == set(parameters) - {"log_folder"}
        assert all(value == f"{{{{job.parameters.{key}}}}}" for key, value in given.items())
        assert parameters["resource_manager"] == wizard.live.origin
    assert not wizard.session.knows("managed_job_id")


def test_other_targets_take_other_jobs_and_teardown_takes_all_of_them(
    wizard: Wizard,  # noqa: F811
    hired: Callable[..., Wizard],  # noqa: F811
) -> None:
    assert wizard.apply(*STEPS).error is None
    managed = Delivery(staging_target="managed", production_target="managed", managed_instances=2)
    other = hired(replace(wizard.session.project, delivery=managed))
    name = wizard.session.project.job_prefix
    assert [(one.action, one.what) for one in pending(other)] == [
        ("create", f"job {name} (Deploy To Managed Endpoint)")
    ]
    assert other.apply(*STEPS).error is None
    assert {one["name"]: one["default"] for one in settings(other, "managed")["parameters"]}["instances"] == "2"
    assert pending(wizard) == []
    other.events.clear()
    assert other._engine(STEPS).remove().error is None
    jobs = other.databricks.jobs
    for title in ("Build Container Image", "Deploy To ACI", "Deploy To AKS", "Deploy To Managed Endpoint"):
        assert jobs.named(f"{name} ({title})") == []


def test_what_somebody_has_changed_or_what_the_file_says_now_is_brought_in_line(
    wizard: Wizard,  # noqa: F811
    hired: Callable[..., Wizard],  # noqa: F811
) -> None:
    assert wizard.apply(*STEPS).error is None
    changed = settings(wizard, "aci")
    changed["max_concurrent_runs"] = 5
    changed["tasks"][0]["libraries"] = changed["tasks"][0]["libraries"][:1]
    wizard.databricks.jobs.reset(int(wizard.session.know("aci_job_id", "delivery-jobs")), changed)
    [change] = pending(wizard)
    assert (change.action, change.what.endswith("(Deploy To ACI)")) == ("update", True)
    assert "max_concurrent_runs" in change.detail
    assert "libraries" in change.detail
    larger = hired(replace(wizard.session.project, delivery=Delivery(staging_memory_gb=3)))
    assert larger.apply(*STEPS).error is None
    parameters = {one["name"]: one["default"] for one in settings(larger, "aci")["parameters"]}
    assert parameters["memory_gb"] == "3"
    assert pending(larger) == []
