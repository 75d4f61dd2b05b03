"""Who works, in which subscription, and whether that subscription is ready for Azure Databricks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_tui.errors import CloudError, ForbiddenError, UsageError
from mlops_tui.events import Change
from mlops_tui.setup import quota
from mlops_tui.setup.waiting import until_state
from mlops_tui.steps import Finding

if TYPE_CHECKING:
    from mlops_tui.clouds.identity import Caller
    from mlops_tui.clouds.subscriptions import Subscription
    from mlops_tui.project import Project
    from mlops_tui.session import Session
    from mlops_tui.steps import Report

PROVIDER = "Microsoft.Databricks"
REGISTERED = f"resource provider {PROVIDER}"


class SignIn:
    name = "sign-in"
    title = "Sign-in and subscription"
    about = (
        "A subscription is Azure's account: it pays, and everything is made in it. This step signs you in, finds "
        "the subscription, and checks before anything is made that you may work there, that Databricks is switched "
        "on in it, and that Azure allows it enough processors (vCPUs) in your region for the cluster. It costs "
        "nothing. If something is missing, it says what, and whom to ask; nothing has been changed then."
    )
    link = "https://learn.microsoft.com/azure/developer/python/sdk/authentication/overview"
    needs: tuple[str, ...] = ()
    settings: tuple[str, ...] = (
        "cloud",
        "sign_in",
        "tenant_id",
        "subscription_id",
        "client_id",
        "client_secret",
        "federated_token_file",
    )

    def wanted(self, project: Project) -> tuple[Change, ...]:
        return (Change("keep", "account"), Change("keep", "subscription"), _registration("NotRegistered"))

    def inspect(self, session: Session) -> Finding:
        """Raises SignInError, ForbiddenError, or UsageError where several subscriptions could be meant."""
        caller = session.clients.identity.caller()
        subscription = _choose(session, caller)
        session.learn("caller_id", caller.object_id)
        session.learn("caller_name", caller.name)
        session.learn("tenant_id", caller.tenant_id)
        session.learn("subscription_id", subscription.id)
        changes = [
            Change("keep", "account", f"{caller.name} (tenant {caller.tenant_id})"),
            Change("keep", "subscription", f"{subscription.name} ({subscription.id})"),
        ]
        if not session.project.databricks_host:
            changes.append(self._provider(session, subscription.id))
        fit = _quota(session, subscription.id)
        changes.append(Change("keep", f"vCPU quota in {session.project.location}", fit.detail, warning=fit.warning))
        return Finding(tuple(changes))

    def apply(self, session: Session, finding: Finding, report: Report) -> None:
        """Register the resource provider, which is all that this step ever changes."""
        subscription_id = session.know("subscription_id", self.name)
        if any(change.what == REGISTERED for change in finding.pending):
            session.clients.subscriptions.register_provider(subscription_id, PROVIDER)
            report.log(f"asked Azure to register {PROVIDER} in the subscription; this takes a minute or two")
            until_state(
                session,
                report,
                lambda: session.clients.subscriptions.provider_state(subscription_id, PROVIDER),
                ("Registered",),
                f"the registration of {PROVIDER}",
            )

    def remove(self, session: Session, report: Report) -> None:
        report.log(f"{PROVIDER} stays registered: it costs nothing, and others may use it")

    def by_hand(self, project: Project) -> str:
        tenant = f" --tenant {project.tenant_id}" if project.tenant_id else ""
        return "\n".join(
            [
                f"az login{tenant}",
                f"az account set --subscription {project.subscription_id or 'SUBSCRIPTION'}",
                f"az provider register --namespace {PROVIDER} --wait",
                f"az vm list-usage --location {project.location} --output table",
            ]
        )

    def _provider(self, session: Session, subscription_id: str) -> Change:
        clients = session.clients
        try:
            state = clients.subscriptions.provider_state(subscription_id, PROVIDER)
        except ForbiddenError:  # a role on the resource group alone: enough where all is there
            return Change("keep", REGISTERED, "not checked: you have no role on the whole subscription")
        change = _registration(state)
        if change.action != "keep":
            action = f"{PROVIDER}/register/action"
            scope = f"/subscriptions/{subscription_id}"
            clients.roles.require(subscription_id, scope, action, f"register the resource provider {PROVIDER}")
        return change


def _registration(state: str) -> Change:
    if state == "Registered":
        return Change("keep", REGISTERED, "registered")
    return Change("update", REGISTERED, "register it in the subscription")


def _choose(session: Session, caller: Caller) -> Subscription:
    """The project's subscription, or the only one there is."""
    subscriptions = session.clients.subscriptions
    if wanted := session.project.subscription_id:
        chosen = subscriptions.get(wanted)
        if not chosen.is_usable:
            raise UsageError(
                f"The subscription {chosen.name} ({wanted}) is {chosen.state.lower()}.",
                hint="See why in the portal (Subscriptions), or name another one: --subscription-id.",
            )
        return chosen
    usable = [one for one in subscriptions.list() if one.is_usable]
    if not usable:
        raise ForbiddenError(
            f"{caller.name} has no role in any subscription.",
            hint="Ask an owner of a subscription: az role assignment create --assignee-object-id "
            f'"{caller.object_id}" --role Owner --scope /subscriptions/SUBSCRIPTION_ID',
        )
    if len(usable) > 1:
        raise UsageError(
            "Several subscriptions could be meant.",
            problems=tuple(f"{one.id}  {one.name}" for one in usable),
            hint="Name one: --subscription-id, ARM_SUBSCRIPTION_ID, or azure.subscription_id in mlops.toml.",
        )
    return usable[0]


def _quota(session: Session, subscription_id: str) -> quota.Verdict:
    """A warning at most: the numbers are the caller's to weigh, and not everybody may read them."""
    location = session.project.location
    try:
        usages = session.clients.subscriptions.usages(subscription_id, location)
    except (CloudError, ForbiddenError) as error:
        return quota.Verdict(f"not checked: {error.message}")
    return quota.verdict(session.project.cluster, location, usages)
