"""Who gets which clients: the same ones for as long as the same person speaks to the same cloud."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mlops_tui.clouds.cloud import AZURE, AZURE_CHINA, Cloud
from mlops_tui.project import Project
from mlops_tui.session import Prompt, Session, SharedClients


class Lent:
    """Stands for the clients of a cloud."""

    made: list[Lent]

    def __init__(self, project: Project, cloud: Cloud, prompt: Prompt | None = None) -> None:
        self.prompt = prompt
        self.closed = 0
        self.made.append(self)

    def close(self) -> None:
        self.closed += 1


@pytest.fixture(autouse=True)
def made(monkeypatch: pytest.MonkeyPatch) -> list[Lent]:
    """All clients made in this story."""
    Lent.made = []
    monkeypatch.setattr("mlops_tui.clouds.clients.Clients", Lent)
    return Lent.made


def sharing(shared: SharedClients, project: Project | None = None, cloud: Cloud = AZURE) -> Session:
    session = Session(project or Project(), cloud)
    session.shared = shared
    return session


def test_one_session_makes_its_clients_once_and_closes_them(made: list[Lent]) -> None:
    session = Session(Project(), AZURE)
    assert session.clients is session.clients
    session.close()
    session.close()
    assert [each.closed for each in made] == [1]


def test_sessions_share_clients_which_outlive_them(made: list[Lent]) -> None:
    shared = SharedClients(None)
    for location in ("westeurope", "northeurope"):
        session = sharing(shared, Project(location=location))
        assert session.clients is session.clients
        session.close()
    assert [each.closed for each in made] == [0]
    shared.renew()
    assert [each.closed for each in made] == [1]


def test_a_closed_session_that_goes_on_gets_the_clients_again(made: list[Lent]) -> None:
    session = sharing(SharedClients(None))
    first = session.clients
    session.close()
    assert session.clients is first
    session.close()
    session.close()
    assert [each.closed for each in made] == [0]


@pytest.mark.parametrize(
    "changed",
    [
        {"tenant_id": "t"},
        {"client_id": "c"},
        {"client_secret": "s"},
        {"sign_in": "cli"},
        {"federated_token_file": "f"},
        {"databricks_token": "d"},
    ],
    ids=str,
)
def test_another_identity_gets_clients_of_its_own(made: list[Lent], changed: dict[str, str]) -> None:
    shared = SharedClients(None)
    before = sharing(shared)
    assert before.clients is not None
    after = sharing(shared, replace(Project(), **changed))  # type: ignore[arg-type]  # all are texts
    assert after.clients is not before.clients
    assert [each.closed for each in made] == [0, 0], "the first ones are in use"
    before.close()
    after.close()
    assert [each.closed for each in made] == [1, 0]


def test_another_cloud_gets_clients_of_its_own(made: list[Lent]) -> None:
    shared = SharedClients(None)
    first = sharing(shared)
    assert first.clients is not None
    first.close()
    assert sharing(shared, cloud=AZURE_CHINA).clients is not None
    assert [each.closed for each in made] == [1, 0]


def test_whoever_signs_in_anew_gets_other_clients_and_the_old_ones_end_with_their_work(made: list[Lent]) -> None:
    shared = SharedClients(None)
    working = sharing(shared)
    assert working.clients is not None
    shared.renew()
    assert [each.closed for each in made] == [0]
    other = sharing(shared)
    assert other.clients is not working.clients
    working.close()
    assert [each.closed for each in made] == [1, 0]


def test_what_signing_in_takes_is_told_to_the_one_who_lends() -> None:
    told: list[str] = []
    session = sharing(SharedClients(told.append))
    session.prompt = lambda text: told.append("of one request alone")
    prompt = session.clients.prompt  # type: ignore[attr-defined]  # a Lent
    prompt("enter the code")
    assert told == ["enter the code"]
