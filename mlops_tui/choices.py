"""What the cloud offers for a setting: what a form can list in place of having people know names by heart."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlops_tui.errors import UsageError
from mlops_tui.events import Choice

if TYPE_CHECKING:
    from mlops_tui.clouds.databricks import Databricks
    from mlops_tui.session import Session

Choices = tuple[Choice, ...]
MOST = 500  # experiments listed; a shared workspace may have many thousands
DATABRICKS, ML = "Microsoft.Databricks", "Microsoft.MachineLearningServices"
# What the application needs its role for: the notebooks register models in the Azure ML workspace.
NEEDED_RIGHT = f"{ML}/workspaces/models/write"


@dataclass(frozen=True)
class Offer:
    """How to read the choices of one setting, and the step that must be done before; empty: none."""

    step: str
    read: Callable[[Session], Choices]


def offer_of(setting: str) -> Offer:
    """Raises UsageError for a setting without choices in the cloud."""
    if setting not in OFFERS:
        raise UsageError(
            f"The cloud has no list of choices for {setting!r}.", hint=f"It has one for: {', '.join(OFFERS)}."
        )
    return OFFERS[setting]


def _subscriptions(session: Session) -> Choices:
    usable = [one for one in session.clients.subscriptions.list() if one.is_usable]
    return _by_label(Choice(one.id, one.name or one.id) for one in usable)


def _locations(session: Session) -> Choices:
    """Regions that have Azure Databricks, as far as the subscription tells."""
    subscriptions, subscription_id = session.clients.subscriptions, _subscription(session)
    regions = subscriptions.locations(subscription_id)
    offering = {_squeezed(name) for name in subscriptions.locations_of(subscription_id, DATABRICKS, "workspaces")}
    fitting = [one for one in regions if not offering or _squeezed(one.label) in offering or one.name in offering]
    return _by_label(
        Choice(one.name, f"{one.label} · {one.geography}" if one.geography else one.label) for one in fitting
    )


def _groups(session: Session) -> Choices:
    groups = session.clients.groups.list(_subscription(session))
    return _by_label(Choice(one.name, f"{one.name} · {one.location}") for one in groups)


def _workspaces(session: Session) -> Choices:
    """In the project's resource group, where this setting's name is looked for."""
    found = session.clients.workspaces.list(_subscription(session))
    group = session.project.resource_group.lower()
    return _by_label(
        Choice(one.name, f"{one.name} · {one.sku}, {one.location}") for one in found if one.group.lower() == group
    )


def _hosts(session: Session) -> Choices:
    found = session.clients.workspaces.list(_subscription(session))
    return _by_label(Choice(one.host, f"{one.name} · {one.group}, {one.location}") for one in found if one.host)


def _ml_workspaces(session: Session) -> Choices:
    kind = f"{ML}/workspaces"
    found = session.clients.groups.resources(_subscription(session), session.project.resource_group, kind)
    return _by_label(Choice(one.name, f"{one.name} · {one.location}") for one in found)


def _key_vaults(session: Session) -> Choices:
    def label(group: str, location: str, uses_roles: bool) -> str:
        return f"{group}, {location}" + ("" if uses_roles else "; has access policies: cannot be used without RBAC")

    found = session.clients.key_vaults.list(_subscription(session))
    return _by_label(Choice(one.id, f"{one.name} · {label(one.group, one.location, one.uses_roles)}") for one in found)


def _roles(session: Session) -> Choices:
    """Those that let the application do its work; the narrowest ones cannot be told from the widest by name alone."""
    roles = session.clients.roles
    found = roles.definitions(_subscription(session), NEEDED_RIGHT)
    return _by_label(
        Choice(one.name, f"{one.name} · {one.description}" if one.description else one.name) for one in found
    )


def _runtimes(session: Session) -> Choices:
    """Machine-learning runtimes first, each kind from the newest to the oldest."""
    offered = _databricks(session).clusters.offer().spark_versions

    def order(key: str) -> tuple[bool, tuple[int, ...], str]:
        version = tuple(-int(number) for number in re.findall(r"\d+", key.partition(".x")[0]))
        return "-cpu-ml-" not in key, version, key

    return tuple(Choice(key, offered[key]) for key in sorted(offered, key=order))


def _node_types(session: Session) -> Choices:
    """Small ones first."""
    machines = sorted(
        _databricks(session).clusters.machines(), key=lambda one: (one.gpus, one.cores, one.memory_mb, one.id)
    )
    return tuple(Choice(one.id, _machine(one.id, one.cores, one.memory_mb, one.gpus)) for one in machines)


def _machine(name: str, cores: float, memory_mb: int, gpus: int) -> str:
    extra = f", {gpus} GPU{'' if gpus == 1 else 's'}" if gpus else ""
    return f"{name} · {cores:g} cores, {memory_mb / 1024:g} GB{extra}"


def _clusters(session: Session) -> Choices:
    """By name, once each; the youngest of a name is the one described."""
    states: Mapping[str, str] = {one.name: one.state for one in _databricks(session).clusters.all()}
    return _by_label(Choice(name, f"{name} · {state.lower()}") for name, state in states.items())


def _scopes(session: Session) -> Choices:
    kept = {"DATABRICKS": "kept by Databricks", "AZURE_KEYVAULT": "in a key vault"}
    scopes = _databricks(session).secrets.scopes()
    return _by_label(Choice(one.name, f"{one.name} · {kept.get(one.backend, one.backend)}") for one in scopes)


def _experiments(session: Session) -> Choices:
    return tuple(Choice(path, path) for path in _databricks(session).experiments.names(MOST))


def _by_label(choices: Iterable[Choice]) -> Choices:
    return tuple(sorted(choices, key=lambda choice: choice.label.lower()))


def _squeezed(location: str) -> str:
    """ "West Europe" and "westeurope" are one region."""
    return location.replace(" ", "").lower()


def _subscription(session: Session) -> str:
    return session.know("subscription_id", "sign-in")


def _databricks(session: Session) -> Databricks:
    return session.clients.databricks(session.know("databricks_host", "databricks-workspace"))


OFFERS: Mapping[str, Offer] = {
    "subscription_id": Offer("", _subscriptions),
    "location": Offer("sign-in", _locations),
    "resource_group": Offer("sign-in", _groups),
    "databricks_workspace": Offer("sign-in", _workspaces),
    "databricks_host": Offer("sign-in", _hosts),
    "ml_workspace": Offer("sign-in", _ml_workspaces),
    "key_vault": Offer("sign-in", _key_vaults),
    "role": Offer("sign-in", _roles),
    "cluster_name": Offer("databricks-workspace", _clusters),
    "cluster_spark_version": Offer("databricks-workspace", _runtimes),
    "cluster_node_type": Offer("databricks-workspace", _node_types),
    "secret_scope": Offer("databricks-workspace", _scopes),
    "experiment": Offer("databricks-workspace", _experiments),
}
