"""The first five steps without a cloud: which subscription is meant, what a person would type, how waiting is told."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from mlops_tui.clouds.clients import Clients
from mlops_tui.clouds.cloud import AZURE
from mlops_tui.clouds.databricks_workspaces import managed_group_id
from mlops_tui.clouds.identity import Caller
from mlops_tui.clouds.roles import assignment_name
from mlops_tui.clouds.subscriptions import Subscription, Usage
from mlops_tui.errors import CloudError, ForbiddenError, Interrupted, NotFoundError, PlanChangedError, UsageError
from mlops_tui.events import Change, Event, LogLine
from mlops_tui.project import Project
from mlops_tui.session import Session
from mlops_tui.setup import steps, waiting
from mlops_tui.setup.databricks_workspace import normal_host
from mlops_tui.setup.service_principal import ServicePrincipal
from mlops_tui.setup.sign_in import SignIn
from mlops_tui.steps import Finding, Report

ODD = Project(
    resource_group="wine (test)",
    service_principal="My 'own' $(touch x) app",
    databricks_workspace="wine-dbw",
    subscription_id="11111111-2222-4333-8444-555555555555",
)
FIRST = tuple(step for step in steps()[:5])


@pytest.mark.parametrize("step", FIRST, ids=lambda step: step.name)
def test_what_a_person_would_type_is_good_shell_with_the_projects_values(step: Any, tmp_path: Any) -> None:
    (tmp_path / "az").write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    (tmp_path / "az").chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    done = subprocess.run(
        ["sh", "-eu", "-c", step.by_hand(ODD)],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=10,
    )
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "x").exists(), "no value may become a command"
    arguments = done.stdout.splitlines()
    wanted = {
        "sign-in": ODD.subscription_id,
        "resource-group": ODD.resource_group,
        "databricks-workspace": ODD.databricks_workspace,
        "ml-workspace": ODD.resource_group,
        "service-principal": ODD.service_principal,
    }
    assert wanted[step.name] in arguments


def test_steps_say_the_same_of_a_thing_before_and_after_it_is_there() -> None:
    """The engine compares plans by these texts; ids and random names have no place in them."""
    for step in FIRST:
        for change in step.wanted(Project()):
            assert "None" not in change.what
            assert "-4" not in change.what


@dataclass
class Account:
    """A stand-in for the clients that signing in uses."""

    subscriptions_there: tuple[Subscription, ...]
    provider: str = "Registered"
    unreadable: bool = False
    asked: list[str] = field(default_factory=list)

    @property
    def identity(self) -> Account:
        return self

    subscriptions = roles = identity

    def caller(self) -> Caller:
        return Caller("0b1ec7", "ada@x.example", "7e4a47", is_user=True)

    def list(self) -> tuple[Subscription, ...]:
        return self.subscriptions_there

    def get(self, subscription_id: str) -> Subscription:
        return next(one for one in self.subscriptions_there if one.id == subscription_id)

    def provider_state(self, subscription_id: str, namespace: str) -> str:
        if self.unreadable:
            raise ForbiddenError("no")
        return self.provider

    def require(self, subscription_id: str, scope: str, action: str, what: str) -> None:
        self.asked.append(action)

    def usages(self, subscription_id: str, location: str) -> dict[str, Usage]:
        if self.unreadable:
            raise ForbiddenError("you may not read quotas")
        return {"cores": Usage("cores", 95, 100)}


ONE, TWO, OLD = (
    Subscription("1", "One", "Enabled"),
    Subscription("2", "Two", "Warned"),
    Subscription("3", "x", "Disabled"),
)


def looked(account: Account, **settings: Any) -> tuple[Session, dict[str, Change]]:
    session = Session(replace(Project(), **settings), AZURE)
    session._clients = account  # type: ignore[assignment]  # as much of it as the step uses
    return session, {change.what: change for change in SignIn().inspect(session).changes}


def signed_in(account: Account, **settings: Any) -> tuple[Session, dict[str, tuple[str, str]]]:
    session, found = looked(account, **settings)
    return session, {what: (change.action, change.detail) for what, change in found.items()}


def test_the_only_usable_subscription_is_taken() -> None:
    session, found = signed_in(Account((OLD, ONE)))
    assert session.know("subscription_id", "sign-in") == "1"
    assert session.know("caller_name", "sign-in") == "ada@x.example"
    assert found["subscription"] == ("keep", "One (1)")


def test_several_subscriptions_are_listed_and_none_is_guessed() -> None:
    with pytest.raises(UsageError) as caught:
        signed_in(Account((ONE, TWO)))
    assert caught.value.exit_code == 2
    assert caught.value.problems == ("1  One", "2  Two")
    assert "--subscription-id" in caught.value.hint
    assert signed_in(Account((ONE, TWO)), subscription_id="2")[0].know("subscription_id", "") == "2"


def test_no_subscription_and_a_dead_one_are_told_apart() -> None:
    with pytest.raises(ForbiddenError, match="no role in any subscription"):
        signed_in(Account(()))
    with pytest.raises(UsageError, match="is disabled"):
        signed_in(Account((OLD,)), subscription_id="3")


def test_an_unregistered_provider_is_a_change_that_takes_a_right() -> None:
    account = Account((ONE,), provider="NotRegistered")
    _, found = signed_in(account)
    assert found["resource provider Microsoft.Databricks"][0] == "update"
    assert account.asked == ["Microsoft.Databricks/register/action"]


def test_too_few_processors_are_a_warning_and_what_may_not_be_read_is_no_error() -> None:
    quota = "vCPU quota in westeurope"
    scarce = looked(Account((ONE,)))[1][quota]
    assert scarce.action == "keep"
    assert scarce.warning.startswith("the cluster needs 8 vCPUs to start, and only 5 are free")
    assert scarce.detail == "5 of 100 vCPUs free (cores in westeurope)"
    _, found = signed_in(Account((ONE,), unreadable=True))
    assert found[quota] == ("keep", "not checked: you may not read quotas")
    assert found["resource provider Microsoft.Databricks"][0] == "keep"


@pytest.mark.parametrize(
    "pasted",
    [
        "adb-1.2.azuredatabricks.net",
        "https://ADB-1.2.azuredatabricks.net/?o=1#job/2",
        " http://adb-1.2.azuredatabricks.net/",
    ],
)
def test_an_address_is_taken_as_people_paste_it(pasted: str) -> None:
    assert normal_host(pasted) == "https://adb-1.2.azuredatabricks.net"


def test_names_that_follow_from_what_they_are_for_cannot_double() -> None:
    definition = "/subscriptions/1/providers/Microsoft.Authorization/roleDefinitions/R"
    assert assignment_name("/A", "p", definition) == assignment_name("/a", "P", "/providers/x/r")
    assert assignment_name("/a", "p", definition) != assignment_name("/b", "p", definition)
    assert managed_group_id("1", "G", "w") == managed_group_id("1", "g", "w")
    assert managed_group_id("1", "g", "w") != managed_group_id("1", "other", "w")
    assert len(managed_group_id("1", "g" * 90, "w" * 64).rpartition("/")[2]) <= 90


@dataclass
class Slow:
    """An operation that ends at the nth look."""

    looks: int
    status: str = "InProgress"

    def wait(self, seconds: float) -> bool:
        self.looks -= 1
        return self.looks < 0

    def result(self) -> str:
        return "made"


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Session:
    for name in ("TELL_SECONDS", "STATE_PAUSE", "NEWS_PAUSE"):
        monkeypatch.setattr(waiting, name, 0.0)
    return Session(Project(), AZURE)


def test_a_long_wait_shows_signs_of_life(session: Session) -> None:
    events: list[Event] = []
    report = Report("step", events.append)
    assert waiting.finish(session, report, Slow(2), "the workspace") == "made"
    assert [event.text for event in events if isinstance(event, LogLine)] == ["the workspace: InProgress (0 s)"] * 2
    states = iter(["Creating", "Creating", "Succeeded"])
    assert waiting.until_state(session, report, lambda: next(states), ("Succeeded",), "it") == "Succeeded"
    assert len(events) == 4


def test_waiting_ends_when_told_to_stop(session: Session) -> None:
    session.cancelled.set()
    report = Report("step", lambda _: None)
    with pytest.raises(Interrupted):
        waiting.finish(session, report, Slow(2), "the workspace")
    with pytest.raises(Interrupted):
        waiting.until_state(session, report, lambda: "Creating", ("Succeeded",), "it")


def test_waiting_has_an_end(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "STATE_SECONDS", 0.0)
    monkeypatch.setattr(waiting, "NEWS_SECONDS", 0.0)
    report = Report("step", lambda _: None)
    with pytest.raises(CloudError, match="still Creating"):
        waiting.until_state(session, report, lambda: "Creating", ("Succeeded",), "it")

    def unknown() -> str:
        raise NotFoundError("who?")

    with pytest.raises(NotFoundError):
        waiting.until_heard_of(session, report, unknown, "the principal")


def test_an_application_that_has_gone_since_the_plan_is_not_made_unasked() -> None:
    session = Session(Project(), AZURE)
    directory = SimpleNamespace(find_application=lambda name: None)  # to register one would be an AttributeError
    session._clients = cast("Clients", SimpleNamespace(directory=directory))
    shown = Finding((Change("keep", "application MLOps-Databricks"), Change("create", "role assignment")))
    with pytest.raises(PlanChangedError, match="has gone since the plan was made"):
        ServicePrincipal().apply(session, shown, Report("service-principal", lambda _: None))
