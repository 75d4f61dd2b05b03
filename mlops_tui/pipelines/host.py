"""The CI host that the project has chosen."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from mlops_tui.errors import NotFoundError, UsageError

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
def told_what_makes_it() -> Iterator[None]:
    """Where there is no pipeline yet, whoever asks is told what makes it."""
    try:
        yield
    except NotFoundError as error:
        error.hint = error.hint or NO_PIPELINE
        raise
