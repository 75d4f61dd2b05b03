"""Who says yes to what costs or what everybody sees; nothing is put into production without."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mlops_tui.delivery import names, prices
from mlops_tui.errors import AccessError, ApprovalNeeded, CloudError, Interrupted, ValidationFailedError
from mlops_tui.events import ApprovalAsked, Approved, Change, Endpoint, ModelImage
from mlops_tui.steps import Emit

if TYPE_CHECKING:
    from mlops_tui.clouds.ml_models import ModelVersion
    from mlops_tui.session import Session

CLUSTER_API = "2024-09-01"  # of Microsoft.ContainerService/managedClusters
# By which CI hosts name whoever started a build (GitHub, Azure DevOps).
ACTORS = ("GITHUB_TRIGGERING_ACTOR", "GITHUB_ACTOR", "BUILD_REQUESTEDFOREMAIL", "BUILD_REQUESTEDFOR")


@dataclass(frozen=True)
class Approval:
    """Somebody said yes; `by` empty: whoever is signed in. `force`: why against the verdict, where it was."""

    by: str = ""
    force: str = ""


Ask = Callable[[ApprovalAsked], Approval | None]  # None: they said no


def actor(environment: Mapping[str, str]) -> str:
    """Who started this CI build; empty elsewhere."""
    return next((environment[name] for name in ACTORS if environment.get(name)), "")


def asked(session: Session, image: ModelImage, endpoint: Endpoint, flags: Sequence[str] = ()) -> ApprovalAsked:
    """What would change in production, what it costs and how the model was judged. `flags` are the command's own."""
    changes, cost = _changes(session, image, endpoint)
    command = ["mlops-tui", "deploy", "production", "--build", image.build, *flags, "--approve"]
    if image.verdict != "passed":
        command += ["--force", "REASON"]
    return ApprovalAsked(
        stage="production",
        build=image.build,
        image=image.id,
        changes=changes,
        cost=cost,
        verdict=image.verdict,
        detail=_verdict_in_words(image),
        command=shlex.join(command),
    )


def require_verdict(image: ModelImage, force: str) -> None:
    """Raises ValidationFailedError for a build that was not validated well, unless somebody says why all the same."""
    if image.verdict == "passed" or force:
        return
    failed = image.verdict == "failed"
    raise ValidationFailedError(
        f"Production takes no build without a passed validation: {_verdict_in_words(image)}",
        hint="See what differs with `mlops-tui validate staging`, or overrule it: --force REASON."
        if failed
        else f"Deploy it to staging and validate it there: mlops-tui deploy staging --build {image.build} && "
        "mlops-tui validate staging; or overrule this: --force REASON.",
    )


def obtain(question: ApprovalAsked, given: Approval | None, ask: Ask | None, emit: Emit) -> Approval:
    """What was given, else what somebody says. Raises ApprovalNeeded where nobody is there, Interrupted on a no."""
    emit(question)
    if given is not None:
        return given
    if ask is None:
        raise ApprovalNeeded(
            f"Production needs somebody's yes: {question.cost}.", hint=f"Look at the above, then: {question.command}"
        )
    answer = ask(question)
    if answer is None:
        raise Interrupted("Not approved.", hint="Production answers as before.")
    return answer


def record(session: Session, emit: Emit, image: ModelImage, version: ModelVersion, approval: Approval) -> Approved:
    """Kept with the model's version, and told, so that the journal has it."""
    by = approval.by or _whoever_is_signed_in(session)
    force = approval.force if image.verdict != "passed" else ""
    at = datetime.now(UTC).isoformat(timespec="seconds")
    session.clients.models.tag(version, {"approved_by": by, "approved_at": at, "approval_force": force})
    event = Approved(stage="production", build=image.build, by=by, force=force)
    emit(event)
    return event


def _whoever_is_signed_in(session: Session) -> str:
    """A person by the name they sign in with; a program by what the directory calls it, with its id."""
    name = session.know("caller_name", "sign-in")
    if "@" in name:
        return name
    try:
        called = session.clients.directory.display_name(session.know("caller_id", "sign-in"))
    except (AccessError, CloudError):  # who may deploy need not be allowed to read the directory: the id will do
        return name
    return f"{called} ({name})" if called else name


def _verdict_in_words(image: ModelImage) -> str:
    if not image.verdict:
        return f"build {image.build} has not been validated."
    when = f" on {datetime.fromtimestamp(image.verdict_at, UTC):%Y-%m-%d %H:%M} UTC" if image.verdict_at else ""
    return f"the validation of build {image.build} {image.verdict}{when}."


def _changes(session: Session, image: ModelImage, endpoint: Endpoint) -> tuple[tuple[Change, ...], str]:
    """With what each costs a month, and what all cost."""
    project = session.project
    monthly = prices.monthly(project, "production")
    machines = prices.machines_in_words(project, "production")
    what = f"{endpoint.target} {endpoint.name}"
    before = f" in place of build {endpoint.build}" if endpoint.build else ""
    serving = Change("create" if endpoint.health == "absent" else "update", what, f"build {image.build}{before}")
    if names.target(project, "production") == names.AKS:
        cluster_id = names.aks_cluster_id(session)
        name = f"Kubernetes cluster {project.delivery.aks_cluster}"
        there = session.clients.resources.get(cluster_id, CLUSTER_API, f"the {name}")
        if there:
            kept = Change("keep", name, machines, cost=f"as now, {prices.in_words(monthly)}")
            return (kept, serving), f"nothing on top of what is paid now: {prices.total([monthly])}"
        made = Change("create", name, machines, cost=prices.in_words(monthly))
        return (made, serving), prices.total([monthly])
    made = Change(serving.action, what, f"{serving.detail}; {machines}", cost=prices.in_words(monthly))
    if endpoint.deployments:
        twice = "the deployment of before is kept for a rollback, and costs as much again"
        kept = Change("keep", f"deployment of build {endpoint.build or '?'}", twice, cost=prices.in_words(monthly))
        return (made, kept), prices.total([monthly, monthly])
    return (made,), prices.total([monthly])
