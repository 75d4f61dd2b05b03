"""What a form can offer: read from a subscription and its workspace with the real clients."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mlops_tui import choices, operations
from mlops_tui.clouds.cloud import Cloud, local_cloud
from mlops_tui.clouds.key_vault import Vault
from mlops_tui.clouds.subscriptions import Region
from mlops_tui.engine import Engine
from mlops_tui.errors import UsageError
from mlops_tui.events import Choice, ChoicesRead, Event
from mlops_tui.project import Project
from mlops_tui.session import Session
from mlops_tui.settings import BY_NAME
from mlops_tui.setup.databricks_workspace import DatabricksWorkspace
from mlops_tui.setup.resource_group import ResourceGroup
from mlops_tui.setup.sign_in import SignIn
from tests.conftest import LiveSandbox, serve
from tests.credentials import of_owner

pytestmark = [pytest.mark.xdist_group("choices"), pytest.mark.timeout(120)]

GROUP, WORKSPACE = "mlops-wine", "wine-bricks"


@dataclass
class Subscription:
    live: LiveSandbox
    project: Project
    cloud: Cloud

    def choices(self, setting: str, **changes: Any) -> dict[str, str]:
        """What is offered: labels by value, in the order shown."""
        events: list[Event] = []
        with closing(Session(replace(self.project, **changes), self.cloud)) as session:
            operations.list_choices(session, events.append, setting)
        (read,) = events
        assert isinstance(read, ChoicesRead)
        assert read.setting == setting
        return {choice.value: choice.label for choice in read.choices}


@pytest.fixture(scope="module")
def subscription(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Subscription]:
    """With a resource group, a workspace, a key vault, a secret scope and an experiment."""
    folder: Path = tmp_path_factory.mktemp("choices") / "sandbox"
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        for name in ("REQUESTS_CA_BUNDLE", "NO_PROXY", "no_proxy"):
            patch.setenv(name, "")
        sandbox = serve(folder)
        live = next(sandbox)
        kept = of_owner(live.folder)
        project = Project(**kept, resource_group=GROUP, databricks_workspace=WORKSPACE)
        cloud = local_cloud(live.origin, str(live.ca))
        with closing(Session(project, cloud)) as session:
            engine = Engine((SignIn(), ResourceGroup(), DatabricksWorkspace()), session, lambda _: None)
            assert engine.apply(engine.plan()).error is None
            furnish(session, project)
        yield Subscription(live, project, cloud)
        for _ in sandbox:
            raise AssertionError("the sandbox is served once")


def furnish(session: Session, project: Project) -> None:
    subscription_id = project.subscription_id
    session.clients.subscriptions.register_provider(subscription_id, "Microsoft.KeyVault")
    session.clients.groups.create(subscription_id, "safe", "northeurope", {})
    resources = session.clients._arm.resources(subscription_id).resources
    properties = {"tenantId": project.tenant_id, "sku": {"family": "A", "name": "standard"}}
    wanted: Any = {"location": "northeurope", "properties": properties | {"enableRbacAuthorization": True}}
    resources.begin_create_or_update_by_id(vault_id(project), wanted, api_version="2023-07-01").result()
    databricks = session.clients.databricks(session.know("databricks_host", "databricks-workspace"))
    databricks.secrets.create_scope("azureml")
    databricks.client.experiments.create_experiment(name="/Shared/Wine")


def vault_id(project: Project) -> str:
    return f"/subscriptions/{project.subscription_id}/resourceGroups/safe/providers/Microsoft.KeyVault/vaults/kept"


@pytest.mark.parametrize(
    ("setting", "value", "label"),
    [
        ("location", "westeurope", "West Europe · Europe"),
        ("resource_group", GROUP, f"{GROUP} · westeurope"),
        ("databricks_workspace", WORKSPACE, f"{WORKSPACE} · premium, westeurope"),
        ("cluster_spark_version", "17.3.x-cpu-ml-scala2.13", "17.3 LTS ML (includes Apache Spark 4.0.0, Scala 2.13)"),
        ("cluster_node_type", "Standard_DS3_v2", "Standard_DS3_v2 · 4 cores, 14 GB"),
        ("secret_scope", "azureml", "azureml · kept by Databricks"),
        ("experiment", "/Shared/Wine", "/Shared/Wine"),
    ],
)
def test_what_people_know_it_by_stands_beside_it(
    subscription: Subscription, setting: str, value: str, label: str
) -> None:
    assert subscription.choices(setting)[value] == label


def test_every_offer_can_be_read_and_fits_its_setting(subscription: Subscription) -> None:
    for setting in choices.OFFERS:
        for value in subscription.choices(setting):
            assert BY_NAME[setting].rule(value) == value, f"{setting}: {value}"


def test_the_only_subscription_is_offered_before_anything_is_set_up(subscription: Subscription) -> None:
    assert list(subscription.choices("subscription_id", subscription_id="")) == [subscription.project.subscription_id]


def test_resource_groups_that_databricks_keeps_for_itself_are_left_out(subscription: Subscription) -> None:
    assert set(subscription.choices("resource_group")) == {GROUP, "safe"}


def test_workspaces_are_offered_where_their_name_is_looked_for(subscription: Subscription) -> None:
    assert subscription.choices("databricks_workspace", resource_group="another") == {}
    (label,) = subscription.choices("databricks_host", resource_group="another").values()
    assert label == f"{WORKSPACE} · {GROUP}, westeurope"
    assert subscription.choices("ml_workspace", resource_group="not-there") == {}


def test_a_key_vault_is_offered_by_its_name_and_says_where_it_cannot_be_used(subscription: Subscription) -> None:
    assert subscription.choices("key_vault") == {vault_id(subscription.project): "kept · safe, northeurope"}
    old = Vault("/subscriptions/s/resourceGroups/g/providers/Microsoft.KeyVault/vaults/old", "old", "u", False)
    (choice,) = choices.offer_of("key_vault").read(told(key_vaults=SimpleNamespace(list=lambda _: [old])))
    assert "cannot be used without RBAC" in choice.label


def test_roles_are_those_that_the_notebooks_can_work_with(subscription: Subscription) -> None:
    offered = subscription.choices("role")
    assert {"Contributor", "AzureML Data Scientist"} <= set(offered)
    assert not {"Reader", "Storage Blob Data Contributor"} & set(offered)
    assert offered["Contributor"].startswith("Contributor · Grants full access")


def test_the_newest_runtime_for_machine_learning_and_the_smallest_machine_come_first(
    subscription: Subscription,
) -> None:
    runtimes = list(subscription.choices("cluster_spark_version"))
    assert runtimes[0] == "17.3.x-cpu-ml-scala2.13"
    assert runtimes.index("9.1.x-cpu-ml-scala2.12") < runtimes.index("17.3.x-scala2.13")
    cores = [
        label.partition(" · ")[2].partition(" ")[0] for label in subscription.choices("cluster_node_type").values()
    ]
    assert cores == sorted(cores, key=float)


def test_what_is_in_a_workspace_takes_one(subscription: Subscription) -> None:
    with pytest.raises(UsageError, match="workspace: not there yet") as caught:
        subscription.choices("cluster_node_type", databricks_workspace="none-yet")
    assert "mlops-tui setup" in caught.value.hint


def test_a_setting_without_a_list_names_those_that_have_one() -> None:
    with pytest.raises(UsageError, match="no list of choices for 'parallel'") as caught:
        choices.offer_of("parallel")
    assert "cluster_node_type" in caught.value.hint


def test_regions_are_all_shown_where_databricks_tells_none() -> None:
    region = Region("westeurope", "West Europe", "")
    blind = SimpleNamespace(locations=lambda _: (region,), locations_of=lambda *_: ())
    assert choices.offer_of("location").read(told(subscriptions=blind)) == (Choice("westeurope", "West Europe"),)
    elsewhere = SimpleNamespace(locations=lambda _: (region,), locations_of=lambda *_: ("North Europe",))
    assert choices.offer_of("location").read(told(subscriptions=elsewhere)) == ()


def told(**clients: Any) -> Any:
    """A session on clients that say what a sandbox never does."""
    return SimpleNamespace(know=lambda *_: "s", clients=SimpleNamespace(**clients))
