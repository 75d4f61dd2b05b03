"""The Azure ML workspace, by name, and what the subscription must offer before models can be delivered.

The workspace itself is made when the first image is built, by the application that notebooks act as. It may work in
one resource group; registering resource providers takes a right on the whole subscription, so that is done here.
"""

from __future__ import annotations

import re
import shlex
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from mlops_tui.errors import ForbiddenError, UsageError
from mlops_tui.events import Change
from mlops_tui.setup.waiting import until_state
from mlops_tui.steps import Finding

if TYPE_CHECKING:
    from mlops_tui.project import Project
    from mlops_tui.session import Session
    from mlops_tui.steps import Report

# Azure's naming rules, Microsoft.MachineLearningServices/workspaces
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{2,32}")
# Of the workspace and of what Azure makes beside it, and of the registry that keeps the images.
OF_DELIVERY = (
    "Microsoft.MachineLearningServices",
    "Microsoft.Storage",
    "Microsoft.KeyVault",
    "Microsoft.Insights",
    "Microsoft.OperationalInsights",
    "Microsoft.ContainerRegistry",
)
OF_TARGETS = {
    "aci": ("Microsoft.ContainerInstance",),
    "aks": ("Microsoft.ContainerService", "Microsoft.KubernetesConfiguration"),
    "managed": (),
}
REGISTERED = "resource providers of delivery"


class MlWorkspace:
    name = "ml-workspace"
    title = "Azure ML workspace"
    about = (
        "Azure Machine Learning (Azure ML) keeps finished models and offers them to other programs. Here only its "
        "workspace's name is settled, which the notebooks read, and the services that delivery needs are switched "
        "on in the subscription (resource providers): the notebooks must not do that themselves. Nothing costs "
        "anything now. The workspace is made later, before a first model is delivered."
    )
    link = "https://learn.microsoft.com/azure/machine-learning/concept-workspace"
    needs: tuple[str, ...] = ("sign-in",)
    settings: tuple[str, ...] = ("ml_workspace",)

    def wanted(self, project: Project) -> tuple[Change, ...]:
        detail = "by name; made when the first image is built"
        named = Change("keep", f"Azure ML workspace {project.ml_workspace}", detail)
        return (named, _registration(providers(project)))

    def inspect(self, session: Session) -> Finding:
        """Raises UsageError for a name that Azure would refuse later, ForbiddenError where somebody else must help."""
        project = session.project
        if not _NAME.fullmatch(project.ml_workspace):
            raise UsageError(
                f"{project.ml_workspace!r} cannot be an Azure ML workspace's name.",
                hint="3 to 33 letters, digits, - and _ are allowed; the first is a letter or a digit.",
            )
        return Finding((self.wanted(project)[0], _compare(session)))

    def apply(self, session: Session, finding: Finding, report: Report) -> None:
        """Register what is missing: all asked for at once, then awaited."""
        if not finding.pending:
            return
        subscription_id = session.know("subscription_id", "sign-in")
        subscriptions = session.clients.subscriptions
        missing = _missing(session, subscription_id)
        for provider in missing:
            subscriptions.register_provider(subscription_id, provider)
        if missing:
            report.log(f"asked Azure to register {', '.join(missing)}; this takes a minute or two")
        until_state(
            session,
            report,
            lambda: f"waiting for {', '.join(left)}" if (left := _missing(session, subscription_id)) else "Registered",
            ("Registered",),
            f"the {REGISTERED}",
        )

    def remove(self, session: Session, report: Report) -> None:
        report.log(f"the {REGISTERED} stay registered: they cost nothing, and others may use them")

    def by_hand(self, project: Project) -> str:
        group = shlex.quote(project.resource_group)  # it may have brackets
        return "\n".join(
            [
                *(_register_by_hand(provider) for provider in providers(project)),
                "# before the first image is built:",
                "az extension add --name ml",
                f"az ml workspace create --name {project.ml_workspace} --resource-group {group}",
            ]
        )


def providers(project: Project) -> tuple[str, ...]:
    """All that the project's delivery needs."""
    targets = (project.delivery.staging_target, project.delivery.production_target)
    return tuple(dict.fromkeys((*OF_DELIVERY, *(one for target in targets for one in OF_TARGETS[target]))))


def _registration(missing: tuple[str, ...]) -> Change:
    if not missing:
        return Change("keep", REGISTERED, "registered")
    short = ", ".join(provider.removeprefix("Microsoft.") for provider in missing)
    return Change("update", REGISTERED, f"register Microsoft's {short}")


def _compare(session: Session) -> Change:
    """Raises ForbiddenError where something is missing, and this account may not register it."""
    subscription_id = session.know("subscription_id", "sign-in")
    try:
        missing = _missing(session, subscription_id)
    except ForbiddenError:  # a role on the resource group alone: enough where all is there
        return Change("keep", REGISTERED, "not checked: you have no role on the whole subscription")
    for provider in missing:
        _require(session, subscription_id, provider, missing)
    return _registration(missing)


def _missing(session: Session, subscription_id: str) -> tuple[str, ...]:
    """Those that are not registered; asked for side by side."""
    needed = providers(session.project)
    subscriptions = session.clients.subscriptions
    with ThreadPoolExecutor(len(needed), thread_name_prefix="providers") as pool:
        states = pool.map(lambda provider: subscriptions.provider_state(subscription_id, provider), needed)
        return tuple(provider for provider, state in zip(needed, states, strict=True) if state != "Registered")


def _require(session: Session, subscription_id: str, provider: str, missing: tuple[str, ...]) -> None:
    scope = f"/subscriptions/{subscription_id}"
    if not session.clients.roles.allows(subscription_id, scope, f"{provider}/register/action"):
        raise ForbiddenError(
            f"Not allowed: register the resource provider {provider} in the subscription.",
            hint=f"Let an owner or contributor of the subscription type: {'; '.join(map(_register_by_hand, missing))}",
            link="https://learn.microsoft.com/azure/azure-resource-manager/management/resource-providers-and-types",
        )


def _register_by_hand(provider: str) -> str:
    return f"az provider register --namespace {provider} --wait"
