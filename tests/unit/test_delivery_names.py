"""What things of delivery are called: names that Azure takes, the same every time."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any, cast

import pytest

from mlops_tui.delivery import names, parameters, prices
from mlops_tui.delivery.parameters import Place
from mlops_tui.events import Stage
from mlops_tui.project import Delivery, Gate, Project, Training, look
from mlops_tui.session import Session

DIGEST = f"sha256:{'0a' * 32}"


def session_of(project: Project, subscription: str = "5a4d0b0c-0000-4000-8000-0000000005b5") -> Session:
    session = Session(project, cast("Any", SimpleNamespace(resource_manager="https://management.azure.com")))
    session.learn("subscription_id", subscription)
    return session


@pytest.mark.parametrize(
    ("project", "staging", "production"),
    [
        ("wine-quality", "wine-quality-aci", "wine-quality-aks"),
        ("churnservice-Stage", "churnservice-stage-aci", "churnservice-stage-aks"),
        ("Wine_Quality.2", "wine-quality-2-aci", "wine-quality-2-aks"),
        ("7wonders", "ml-7wonders-aci", "ml-7wonders-aks"),
        ("x", "x-aci", "x-aks"),
    ],
)
def test_a_service_is_named_after_the_project_however_that_is_spelt(
    project: str, staging: str, production: str
) -> None:
    described = Project(name=project)
    assert names.service_name(described, "staging") == staging
    assert names.service_name(described, "production") == production


@pytest.mark.parametrize("project", ["wine-quality", "p" * 63, "9" * 63, "A.b_C-" * 10 + "x", "a-" * 20 + "b", "x"])
@pytest.mark.parametrize("target", ["aci", "managed"])
def test_no_project_has_a_name_that_azure_would_refuse_for_a_service(project: str, target: str) -> None:
    described = Project(name=project, delivery=Delivery(staging_target=cast("Any", target)))
    stages: tuple[Stage, ...] = ("staging", "production")
    for stage in stages:
        assert re.fullmatch(r"[a-z][a-z0-9-]{1,30}[a-z0-9]", names.service_name(described, stage))


def test_long_names_that_begin_alike_stay_apart() -> None:
    ones = [names.service_name(Project(name=f"a-very-long-name-of-a-project-{end}"), "staging") for end in "ab"]
    assert ones[0] != ones[1]
    managed = Delivery(staging_target="managed", production_target="managed")
    project = Project(delivery=managed)
    assert names.service_name(project, "staging") == "wine-quality-managed-staging"
    assert names.service_name(project, "production") == "wine-quality-managed-production"


def test_a_registry_and_a_label_are_unique_to_the_resource_group_and_the_same_in_every_command() -> None:
    here, there = session_of(Project()), session_of(Project(resource_group="another"))
    assert re.fullmatch(r"mlops[0-9a-f]{13}", names.registry_name(here))
    assert names.registry_name(here) == names.registry_name(session_of(Project(resource_group="MLOPS-wine-quality")))
    assert names.registry_name(here) != names.registry_name(there)
    assert re.fullmatch(r"wine-quality-aci-[0-9a-f]{8}", names.dns_label(here))
    assert len(names.dns_label(here)) <= 63
    named = session_of(Project(delivery=Delivery(container_registry="OurRegistry")))
    assert names.registry_name(named) == "OurRegistry"


def test_an_image_is_split_at_its_last_slash_for_a_registry_may_be_a_path() -> None:
    assert names.is_image(f"mlops1.azurecr.io/winequality@{DIGEST}")
    assert names.is_image(f"localhost:8443/mlops1/winequality@{DIGEST}")
    for text in ("", "None", "null", "winequality:7", f"winequality@{DIGEST}", f"mlops1.azurecr.io/wine@{DIGEST[:-1]}"):
        assert not names.is_image(text), text
    assert names.short_image(f"localhost:8443/mlops1/winequality@{DIGEST}") == "winequality@sha256:0a0a0a0a0a0a"


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("model_name", "wine quality", "2 to 100 characters"),
        ("model_name", "wine--quality-", "2 to 100 characters"),
        ("registered_model", "main.wine", "one name, or three"),
        ("registered_model", "main.wine/1.quality", "one name, or three"),
        ("container_registry", "my-registry", "5 to 50 letters and digits"),
        ("aks_cluster", "a-cluster-with-a-long-name", "2 to 16 characters"),
        ("aks_cluster", "myaks-", "2 to 16 characters"),
        ("staging_target", "aks", "must be one of: aci, managed"),
        ("production_target", "aci", "must be one of: aks, managed"),
        ("aks_nodes", "0", "between 1 and 100"),
        ("staging_memory_gb", "0", "between 0.1 and"),
        ("tolerance", "-1", "0 or more"),
    ],
)
def test_what_azure_would_refuse_is_refused_before_it_is_asked(setting: str, value: str, said: str) -> None:
    (problem,) = look(None, {}, {setting: value}).problems
    assert said in str(problem)


def test_a_models_name_is_written_small_for_it_is_a_repository_too() -> None:
    project = look(None, {}, {"model_name": "WineQuality"}).project
    assert project.delivery.model_name == "winequality"
    assert project.delivery.registered == "winequality"
    assert look(None, {}, {"registered_model": "main.wine.Quality"}).project.delivery.registered == "main.wine.Quality"


def test_the_notebooks_are_told_everything_as_text() -> None:
    training = Training(gate=Gate("mae", ">=", 0.123456789), best_is="highest", metrics=("rmse", "mae"))
    project = Project(training=training, delivery=Delivery(staging_cpu=0.5, registered_model="main.wine.quality"))
    where = Place("https://management.azure.com", "mlops1", "label")
    built = parameters.parameters(project, "build", where)
    assert built["gate"] == "mae >= 0.123456789", "no digit of a threshold is lost"
    assert (built["best_is"], built["metrics"]) == ("highest", "rmse,mae")
    assert (built["model"], built["registered_model"]) == ("winequality", "main.wine.quality")
    assert built["registry"] == "mlops1"
    staged = parameters.parameters(project, "aci", where, "staging")
    assert (staged["service"], staged["dns_label"]) == ("wine-quality-aci", "label")
    assert (staged["cpu"], staged["memory_gb"]) == ("0.5", "1.5")
    served = parameters.parameters(project, "aks", where, "production")
    assert (served["compute"], served["nodes"], served["node_type"]) == ("myaks", "3", "Standard_B4ms")
    assert parameters.kinds(project) == ("build", "aci", "aks")
    both = Project(delivery=Delivery(staging_target="managed", production_target="managed"))
    assert parameters.kinds(both) == ("build", "managed"), "one job serves both stages"
    managed = parameters.parameters(both, "managed", where, "production")
    assert (managed["stage"], managed["service"]) == ("production", "wine-quality-managed-production")


def test_an_estimate_counts_every_machine_and_takes_the_prices_of_the_file() -> None:
    project = Project()
    month = prices.monthly(project, "production")
    assert month == pytest.approx(3 * (0.192 * 730 + 21.7) + 22)
    assert prices.in_words(month).endswith("USD a month (estimate)")
    assert prices.DATE in prices.total([month])
    own = Project(delivery=Delivery(prices={"Standard_B4ms": 1.0, "node_disk": 0.0, "load_balancer": 0.0}))
    assert prices.monthly(own, "production") == pytest.approx(3 * 730)
    assert prices.monthly(project, "staging") == pytest.approx((0.0486 + 1.5 * 0.0053) * 730)
    rare = Project(delivery=Delivery(aks_node_type="Standard_ND96"))
    assert prices.monthly(rare, "production") is None
    assert "[delivery.prices]" in prices.in_words(None)
    assert "what has no price here" in prices.total([None])
    assert prices.machines_in_words(project, "production") == "3 × Standard_B4ms"


def test_prices_that_are_none_are_told_with_their_lines() -> None:
    from pathlib import Path

    from mlops_tui.project_file import parse

    text = "[delivery.prices]\nStandard_B4ms = 'cheap'\nStandard_B8ms = -1\nStandard_B2ms = 0.1\n"
    found = parse(Path("mlops.toml"), text)
    assert found.prices == {"Standard_B2ms": 0.1}
    assert [str(problem) for problem in found.problems] == [
        "mlops.toml:2: delivery.prices.Standard_B4ms: must be a price in USD: a number, 0 or more",
        "mlops.toml:3: delivery.prices.Standard_B8ms: must be a price in USD: a number, 0 or more",
    ]
