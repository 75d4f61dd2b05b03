"""How the pipeline in Azure DevOps signs in without a secret: a service connection, and an application that trusts it.

Whom to trust is read from the connection, never built: Azure DevOps has changed the form of issuer and subject before.
Source: Azure DevOps, "Manually set an Azure Resource Manager workload identity service connection".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_tui.events import Change
from mlops_tui.pipelines.names import connection_name, trust_name
from mlops_tui.setup.service_principal import UNSEEN
from mlops_tui.setup.waiting import stop_if_cancelled

if TYPE_CHECKING:
    from mlops_tui.clouds.azure_devops_wires import Connection, DevOpsWires
    from mlops_tui.clouds.directory import FederatedCredential
    from mlops_tui.project import Project
    from mlops_tui.session import Session
    from mlops_tui.steps import Report

FEDERATION = "WorkloadIdentityFederation"


def connection_what(project: Project) -> str:
    return f"service connection {connection_name(project)}"


def credential_name(project: Project) -> str:
    return trust_name(project)


def credential_what(project: Project) -> str:
    return f"federated credential {credential_name(project)}"


def wanted(project: Project) -> list[Change]:
    if project.ci.authentication != "federated":
        return []
    return [Change("create", connection_what(project)), Change("create", credential_what(project))]


def compare(session: Session, wires: DevOpsWires) -> list[Change]:
    """With stored secrets in place of trust, what is ours of it is to go."""
    project = session.project
    connection = wires.find_connection(connection_name(project))
    if project.ci.authentication != "federated":
        return _to_go(session, connection)
    if session.knows(UNSEEN):
        unseen = session.know(UNSEEN, "service-principal")
        return [Change("keep", change.what, unseen) for change in wanted(project)]
    return [_compare_connection(session, connection), _compare_credential(session, connection)]


def _to_go(session: Session, connection: Connection | None) -> list[Change]:
    project, detail = session.project, "the pipeline signs in by stored secrets"
    gone = [Change("remove", connection_what(project), detail)] if connection and connection.is_ours else []
    if not session.knows(UNSEEN) and _trusted(session):
        gone.append(Change("remove", credential_what(project), detail))
    return gone


def _compare_connection(session: Session, connection: Connection | None) -> Change:
    what, app_id = connection_what(session.project), session.know("app_id", "service-principal")
    if connection is None:
        return Change("create", what, f"as {session.project.service_principal}, without a secret")
    if connection.scheme != FEDERATION:
        return Change("update", what, "it has a secret: it shall do without")
    if (connection.client_id, connection.tenant_id) != (app_id, session.know("tenant_id", "sign-in")):
        return Change("update", what, f"it acts as {connection.client_id or 'nobody'}, not as {app_id}")
    return Change("keep", what, f"as {session.project.service_principal}")


def _compare_credential(session: Session, connection: Connection | None) -> Change:
    what, ours = credential_what(session.project), _trusted(session)
    if connection is None:
        return Change("update" if ours else "create", what, "of the new connection")
    pair = (connection.issuer, connection.subject)
    listed = _listed(session)
    for one in listed:
        if (one.issuer, one.subject) == pair:
            return Change("keep", what, one.subject if one == ours else f"as {one.name}: {one.subject}")
    if ours is None:
        return Change("create", what, connection.subject)
    return Change("update", what, f"{connection.subject}, in place of {ours.subject}")


def settle(session: Session, wires: DevOpsWires, pending: dict[str, Change], report: Report) -> None:
    project = session.project
    change = pending.get(connection_what(project))
    if change is not None:
        stop_if_cancelled(session, change.what)
        _settle_connection(session, wires, change, report)
    change = pending.get(credential_what(project))
    if change is not None:
        stop_if_cancelled(session, change.what)
        _settle_credential(session, wires, change, report)


def _settle_connection(session: Session, wires: DevOpsWires, change: Change, report: Report) -> None:
    name = connection_name(session.project)
    found = wires.find_connection(name)
    if change.action == "remove":
        if found is not None and found.is_ours:
            wires.delete_connection(found)
            report.log(f"deleted the {change.what}")
        return
    application = {
        "tenantid": session.know("tenant_id", "sign-in"),
        "serviceprincipalid": session.know("app_id", "service-principal"),
    }
    subscription = session.know("subscription_id", "sign-in")
    made = wires.put_connection(
        name, application, {"id": subscription, "name": subscription}, found.id if found else ""
    )
    report.log(f"{'changed' if found else 'made'} the {change.what}")
    report.identified("service connection", made.id)


def _settle_credential(session: Session, wires: DevOpsWires, change: Change, report: Report) -> None:
    from mlops_tui.clouds.directory import FederatedCredential

    project, directory = session.project, session.clients.directory
    application = session.know("app_object_id", "service-principal")
    if change.action == "remove":
        directory.remove_federated_credential(application, credential_name(project))
        report.log(f"removed the {change.what}")
        return
    connection = wires.find_connection(connection_name(project))
    if connection is None:
        return  # gone meanwhile: looking again will say so
    credential = FederatedCredential(credential_name(project), connection.issuer, connection.subject)
    if _trusted(session):
        directory.change_federated_credential(application, credential)
    else:
        directory.add_federated_credential(application, credential)
    report.log(f"the application {project.service_principal} trusts {connection.subject}")


def remove(session: Session, wires: DevOpsWires, report: Report) -> None:
    """What is ours of it. The application may have gone, and its trust with it."""
    project = session.project
    connection = wires.find_connection(connection_name(project)) if wires.find_project() else None
    if connection is not None and connection.is_ours:
        wires.delete_connection(connection)
        report.log(f"deleted the {connection_what(project)}")
    elif connection is not None:
        report.log(f"kept the {connection_what(project)}: it was made by somebody else")
    if session.knows("app_object_id") and _trusted(session):
        application = session.know("app_object_id", "service-principal")
        session.clients.directory.remove_federated_credential(application, credential_name(project))
        report.log(f"removed the {credential_what(project)}")


def _listed(session: Session) -> tuple[FederatedCredential, ...]:
    directory = session.clients.directory
    return directory.list_federated_credentials(session.know("app_object_id", "service-principal"))


def _trusted(session: Session) -> FederatedCredential | None:
    """Ours, by its name."""
    name = credential_name(session.project)
    return next((one for one in _listed(session) if one.name == name), None)
