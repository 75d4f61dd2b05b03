"""Whom the application trusts, told beside whom it was asked to: a job that is refused cannot look that up itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_tui.errors import MlopsError, RunFailedError
from mlops_tui.events import LogLine
from mlops_tui.pipelines.names import trust_name
from mlops_tui.steps import Emit

if TYPE_CHECKING:
    from mlops_tui.session import Session

REFUSED = "AADSTS7002"  # …11 the issuer, …12 the audience, …13 the subject of a job's token fits nothing


def with_expected(session: Session, emit: Emit, error: RunFailedError) -> RunFailedError:
    """The same error; its hint begins with what was expected where that is why the run failed.

    Whoever follows a run need not be able to read the directory: then it stays as it is, and a line says why.
    """
    if REFUSED not in error.raw:
        return error
    try:
        error.hint = f"{_expected(session)} {error.hint}"
    except MlopsError as unseen:
        text = f"what the application trusts could not be looked at: {unseen.message}"
        emit(LogLine(source="pipeline", text=text, level="warning"))
    return error


def _expected(session: Session) -> str:
    name, directory = session.project.service_principal, session.clients.directory
    application = directory.find_application(name)
    if application is None:
        return f"There is no application {name} any more."
    trusted = directory.list_federated_credentials(application.object_id)
    ours = [one.subject for one in trusted if one.name.startswith(trust_name(session.project))]
    if not ours:
        return f"Expected: nothing; the application {name} trusts no job of this pipeline."
    return f"Expected, which is what the application {name} trusts: {' or '.join(ours)}."
