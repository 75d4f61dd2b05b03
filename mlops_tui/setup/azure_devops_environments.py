"""The environments of the pipeline in Azure DevOps: one run at a time in each, and a yes before production."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_tui.errors import NotFoundError, UsageError
from mlops_tui.events import Change
from mlops_tui.pipelines.names import STAGES, environment_name
from mlops_tui.setup.waiting import stop_if_cancelled

if TYPE_CHECKING:
    from mlops_tui.clouds.azure_devops import AzureDevOps
    from mlops_tui.clouds.azure_devops_wires import Check, Environment
    from mlops_tui.clouds.ci_host import Account
    from mlops_tui.project import Project
    from mlops_tui.session import Session
    from mlops_tui.steps import Report

APPROVED = "production"  # the stage that waits for a yes
APPROVAL = "8c6f20a7-a545-4486-9777-f762fafe0d4d"
LOCK = "2ef31ad6-baa0-403a-8b45-2cbc9b4e5563"


def what(project: Project, stage: str) -> str:
    return f"environment {environment_name(project, stage)}"


def approval_what(project: Project) -> str:
    return f"approval of {environment_name(project, APPROVED)}"


def wanted(project: Project) -> list[Change]:
    places = [Change("create", what(project, stage), "one run at a time") for stage in STAGES]
    return [*places, Change("create", approval_what(project), project.ci.approvers or "by whoever sets it up")]


def check_approvers(project: Project, host: AzureDevOps) -> None:
    """Raises UsageError for one who is no member of the organisation."""
    if project.ci.approvers:
        _approvers(project, host)


def compare(session: Session, host: AzureDevOps) -> list[Change]:
    """Raises as `check_approvers`."""
    changes, guard = [], None
    for stage in STAGES:
        found = host.wires.find_environment(environment_name(session.project, stage))
        checks = host.wires.checks(found) if found else ()
        changes.append(_compare(session.project, stage, found, checks))
        if stage == APPROVED:
            guard = _of(checks, APPROVAL)
    return [*changes, _compare_approval(session.project, host, guard)]


def _compare(project: Project, stage: str, found: Environment | None, checks: tuple[Check, ...]) -> Change:
    if found is None:
        return Change("create", what(project, stage), "one run at a time")
    if _of(checks, LOCK) is None:
        return Change("update", what(project, stage), "one run at a time")
    return Change("keep", what(project, stage), "one run at a time")


def _compare_approval(project: Project, host: AzureDevOps, guard: Check | None) -> Change:
    """Whoever else is asked there stays, unless the project says who it is."""
    people = _approvers(project, host)
    if guard is not None and (not project.ci.approvers or set(guard.approvers) == {one.id for one in people}):
        return Change("keep", approval_what(project), f"by {', '.join(guard.approvers.values())}")
    detail = f"by {', '.join(one.name for one in people)}"
    return Change("create" if guard is None else "update", approval_what(project), detail)


def _approvers(project: Project, host: AzureDevOps) -> list[Account]:
    """Those that the project names; whoever sets it up where it names nobody."""
    names = [one.strip() for one in project.ci.approvers.split(",") if one.strip()]
    found = {name: host.wires.find_identity(name) for name in names}
    unknown = tuple(f"ci.approvers: {name}" for name, one in found.items() if one is None)
    if unknown:
        raise UsageError(
            "Some who shall approve are no members of the organisation in Azure DevOps.",
            problems=unknown,
            hint="Add them (Organization settings, Users), or name others: e-mail addresses with commas between.",
        )
    return [one for one in found.values() if one is not None] or [host.account()]


def settle(session: Session, host: AzureDevOps, pending: dict[str, Change], report: Report) -> None:
    project, wires = session.project, host.wires
    for stage in STAGES:
        if what(project, stage) in pending:
            stop_if_cancelled(session, what(project, stage))
            found = wires.find_environment(environment_name(project, stage))
            if found is None:
                found = wires.make_environment(environment_name(project, stage))
                report.log(f"made the {what(project, stage)}")
            if _of(wires.checks(found), LOCK) is None:
                wires.put_lock(found)
                report.log(f"let one run at a time into the {what(project, stage)}")
    if approval_what(project) in pending:
        stop_if_cancelled(session, approval_what(project))
        guarded = _needed(project, host)
        guard = _of(wires.checks(guarded), APPROVAL)
        people = _approvers(project, host)
        wires.put_approval(guarded, people, guard.id if guard else "")
        report.log(f"production waits for a yes of {' or '.join(one.name for one in people)}")


def _needed(project: Project, host: AzureDevOps) -> Environment:
    name = environment_name(project, APPROVED)
    found = host.wires.find_environment(name)
    if found is None:
        raise NotFoundError(f"The environment {name} has gone since the plan was made.")
    return found


def remove(session: Session, host: AzureDevOps, report: Report) -> None:
    for stage in STAGES:
        found = host.wires.find_environment(environment_name(session.project, stage))
        if found is None:
            report.log(f"there is no {what(session.project, stage)}")
        elif found.is_ours:
            host.wires.delete_environment(found)
            report.log(f"deleted the {what(session.project, stage)}")
        else:
            report.log(f"kept the {what(session.project, stage)}: it was made by somebody else")


def _of(checks: tuple[Check, ...], kind: str) -> Check | None:
    return next((one for one in checks if one.kind == kind), None)
