"""The pipeline itself in Azure DevOps: its file, its variables, and what it may use."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from mlops_tui.errors import ConflictError, NotFoundError, UsageError
from mlops_tui.events import Action, Change
from mlops_tui.pipelines.names import STAGES, connection_name, environment_name
from mlops_tui.setup import pipeline_secrets, pipeline_sign_in
from mlops_tui.setup.pipeline_secrets import ClientSecrets, DatabricksTokens, Issuer
from mlops_tui.setup.service_principal import UNSEEN
from mlops_tui.setup.waiting import stop_if_cancelled

if TYPE_CHECKING:
    from mlops_tui.clouds.azure_devops import AzureDevOps
    from mlops_tui.clouds.azure_devops_pipelines import Pipeline
    from mlops_tui.clouds.ci_host import Repository
    from mlops_tui.project import Project
    from mlops_tui.session import Session
    from mlops_tui.steps import Report

HOST = "Azure DevOps"
FILE = "azure-pipelines.yml"
TOKEN, CLIENT_SECRET = "databricks.token", "azure.client_secret"
SECRETS = (TOKEN, CLIENT_SECRET)
VARIABLES = {
    "azure.tenant_id": ("tenant_id", "sign-in"),
    "azure.subscription_id": ("subscription_id", "sign-in"),
    "azure.client_id": ("app_id", "service-principal"),
}


def what(project: Project) -> str:
    return f"pipeline {project.name}"


def _variable(name: str) -> str:
    return f"variable {name}"


def _secret(name: str) -> str:
    return f"secret variable {name}"


def _use(kind: str, name: str) -> str:
    return f"use of the {kind} {name} by the pipeline"


def _used(project: Project) -> list[tuple[str, str, str]]:
    """What the pipeline may use: the kind as the service names it, as people do, and the name."""
    used = [("environment", "environment", environment_name(project, stage)) for stage in STAGES]
    if project.ci.authentication == "federated":
        used.insert(0, ("endpoint", "service connection", connection_name(project)))
    if project.ci.pool:
        used.append(("queue", "pool", project.ci.pool))
    return used


def wanted(project: Project) -> list[Change]:
    changes = [Change("create", what(project), FILE)]
    changes += [Change("create", _variable(name)) for name in VARIABLES]
    if project.ci.authentication == "token":
        changes += [Change("create", _secret(name)) for name in SECRETS]
    return changes + [Change("create", _use(kind, name)) for _, kind, name in _used(project)]


def find(project: Project, host: AzureDevOps, repository: Repository) -> Pipeline | None:
    """Raises ConflictError where the name is another pipeline's, UsageError for a pool that is not there."""
    found = host.pipelines.find()
    if found is not None and (found.repository_id, found.file) != (repository.id, FILE):
        raise ConflictError(
            f"Another pipeline is named {project.name} in Azure DevOps: of the file {found.file}.",
            hint="Rename that one, or choose another project.name.",
        )
    _queue(project, host)
    return found


def compare(session: Session, host: AzureDevOps, repository: Repository, found: Pipeline | None) -> list[Change]:
    project = session.project
    warning = pipeline_sign_in.warning(project, host, repository)
    changes = [Change("keep" if found else "create", what(project), FILE, warning=warning)]
    changes += _compare_variables(session, found) + _compare_secrets(session, found)
    for kind, words, name in _used(project):
        number = _number(host, kind, name)
        may = found is not None and bool(number) and found.id in host.wires.permitted(kind, number)
        changes.append(Change("keep" if may else "create", _use(words, name)))
    return changes


def _compare_variables(session: Session, found: Pipeline | None) -> list[Change]:
    there, changes = found.plain if found else {}, []
    for name, (fact, step) in VARIABLES.items():
        if fact == "app_id" and session.knows(UNSEEN):
            changes.append(Change("keep", _variable(name), session.know(UNSEEN, step)))
            continue
        value = session.know(fact, step)
        action: Action = "keep" if there.get(name) == value else "update" if name in there else "create"
        changes.append(Change(action, _variable(name), value))
    return changes


def _compare_secrets(session: Session, found: Pipeline | None) -> list[Change]:
    """Where nothing needs them, those that are there from before are to go."""
    there = found.secret if found else frozenset()
    if session.project.ci.authentication == "federated":
        return [Change("remove", _secret(name), "jobs sign in without it") for name in SECRETS if name in there]
    return [
        pipeline_secrets.compare(session.project, _issuer(session, name), _secret(name), name in there)
        for name in SECRETS
    ]


def _issuer(session: Session, name: str) -> Issuer:
    return DatabricksTokens(session, HOST) if name == TOKEN else ClientSecrets(session, HOST)


def _number(host: AzureDevOps, kind: str, name: str) -> str:
    """By which its permissions are found; empty where it is not there yet."""
    wires = host.wires
    if kind == "endpoint":
        connection = wires.find_connection(name)
        return connection.id if connection else ""
    if kind == "environment":
        environment = wires.find_environment(name)
        return environment.id if environment else ""
    return str(host.pipelines.queue_named(name) or "")


def _queue(project: Project, host: AzureDevOps) -> int:
    """Of the agents that the pipeline has where its file names no others."""
    name = project.ci.pool or "Azure Pipelines"
    number = host.pipelines.queue_named(name)
    if number is None:
        hint = "Add it to the project (Project settings, Agent pools), or set ci.pool to one that is there."
        raise UsageError(
            f"The project {project.ci_project} in Azure DevOps has no pool of agents named {name}.", hint=hint
        )
    return number


def settle(
    session: Session, host: AzureDevOps, repository: Repository, pending: dict[str, Change], report: Report
) -> None:
    project, wires = session.project, host.wires
    if what(project) in pending and host.pipelines.find() is None:
        stop_if_cancelled(session, what(project))
        made = host.pipelines.make(repository.id, project.ci.branch, _queue(project, host), _plain(session))
        report.log(f"made the {what(project)} of {FILE}")
        report.identified("pipeline", str(made.id), host.page())
    if any(_variable(name) in pending for name in VARIABLES):
        stop_if_cancelled(session, what(project))
        _settle_variables(session, host, report)
    for name in SECRETS:
        if change := pending.get(_secret(name)):
            _settle_secret(session, host, name, change, report)
    for kind, words, name in _used(project):
        if _use(words, name) in pending:
            stop_if_cancelled(session, _use(words, name))
            wires.permit(kind, _number(host, kind, name), _needed(host).id)
            report.log(f"let the pipeline use the {words} {name}, and no other pipeline")


def _plain(session: Session) -> dict[str, str]:
    known = {name: place for name, place in VARIABLES.items() if place[0] != "app_id" or not session.knows(UNSEEN)}
    return {name: session.know(fact, step) for name, (fact, step) in known.items()}


def _settle_variables(session: Session, host: AzureDevOps, report: Report) -> None:
    found, plain = _needed(host), _plain(session)
    if any(found.plain.get(name) != value for name, value in plain.items()):
        host.pipelines.put_variables(found, plain, {}, frozenset())
        report.log(f"set the variables {', '.join(plain)}")


def _settle_secret(session: Session, host: AzureDevOps, name: str, change: Change, report: Report) -> None:
    issuer = _issuer(session, name)
    if change.action == "remove":
        host.pipelines.put_variables(_needed(host), {}, {}, frozenset({name}))
        report.log(f"removed the {change.what}")
        pipeline_secrets.take_back(issuer, issuer.ours(), report)
        return
    pipeline_secrets.settle(session, issuer, change.what, partial(_put_secret, host, name), report)


def _put_secret(host: AzureDevOps, name: str, value: str) -> None:
    host.pipelines.put_variables(_needed(host), {}, {name: value}, frozenset())


def _needed(host: AzureDevOps) -> Pipeline:
    found = host.pipelines.find()
    if found is None:
        raise NotFoundError("The pipeline in Azure DevOps has gone since the plan was made.")
    return found


def remove(session: Session, host: AzureDevOps, report: Report) -> None:
    """With its runs, where it is ours; and the secrets that were made for it."""
    project, found = session.project, host.pipelines.find()
    if found is None:
        report.log(f"there is no {what(project)}")
    elif found.is_ours:
        host.pipelines.delete(found)
        report.log(f"deleted the {what(project)}")
    else:
        report.log(f"kept the {what(project)}: it was made by somebody else")
    if session.knows("app_object_id"):
        _take_back(ClientSecrets(session, HOST), report)
    if session.knows("databricks_host"):
        _take_back(DatabricksTokens(session, HOST), report)


def _take_back(issuer: Issuer, report: Report) -> None:
    pipeline_secrets.take_back(issuer, issuer.ours(), report)
