"""By which key an endpoint knows its callers: Azure ML makes its own, a container group's is in the secret scope."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_tui import redaction
from mlops_tui.delivery import names
from mlops_tui.errors import NotFoundError
from mlops_tui.setup import secret_scope

if TYPE_CHECKING:
    from mlops_tui.events import Stage
    from mlops_tui.session import Session


def endpoint_key(session: Session, stage: Stage) -> str:
    """Registered as a secret. Raises NotFoundError where there is none yet."""
    if names.target(session.project, stage) != names.ACI:
        service = names.service_name(session.project, stage)
        return session.clients.online_endpoints.key(names.ml_workspace_id(session), service)
    return of_scope(session, names.STAGING_KEY)


def of_scope(session: Session, key: str) -> str:
    """A secret that the notebooks read, too. Raises NotFoundError."""
    value = secret_scope.read(session, key)
    if not value:
        raise NotFoundError(
            f"There is no secret {session.project.secret_scope}/{key}.",
            hint="It is made with the first deployment: mlops-tui deploy staging",
        )
    redaction.register(value)
    return value
