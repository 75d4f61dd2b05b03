"""The CI host that the project has chosen, and what is there."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from mlops_tui.errors import NotFoundError, UsageError
from mlops_tui.events import Identified, PipelineRun
from mlops_tui.steps import Emit

if TYPE_CHECKING:
    from mlops_tui.clouds.ci_host import CiHost
    from mlops_tui.session import Session

NO_PIPELINE = "`mlops-tui setup` makes it: its repository, its environments, what it may do."


def ci_host(session: Session) -> CiHost:
    """Raises UsageError where none is chosen."""
    if session.project.ci.host == "none":
        raise UsageError(
            "No CI host is chosen: there is no pipeline.",
            hint="Choose one with --ci-host azure-devops or --ci-host github, or as `host` under [ci] in mlops.toml; "
            "then `mlops-tui setup` makes repository and pipeline there.",
        )
    return session.clients.ci_host


@contextlib.contextmanager
def where_not_found(hint: str) -> Iterator[None]:
    """What to do where the host does not find something; what it says itself comes behind."""
    try:
        yield
    except NotFoundError as error:
        error.hint = f"{hint} {error.hint}".rstrip()
        raise


def find_run(host: CiHost, run_id: str, emit: Emit) -> PipelineRun:
    """Its id and its page are told at once. Raises NotFoundError."""
    with where_not_found("`mlops-tui ci runs` lists those that there are."):
        run = host.run(run_id)
    identify(emit, run)
    return run


def identify(emit: Emit, run: PipelineRun) -> None:
    emit(Identified(what="pipeline run", id=run.id, url=run.url))
