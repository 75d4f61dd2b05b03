"""How a stage is: from what Azure says of it and from what it answers, in one word with a reason."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from mlops_tui.clouds.cloud import AZURE
from mlops_tui.clouds.container_groups import ContainerGroup, ContainerState
from mlops_tui.clouds.online_endpoints import OnlineDeployment, OnlineEndpoint
from mlops_tui.clouds.scoring import Health
from mlops_tui.delivery import endpoints
from mlops_tui.errors import DeliveryFailedError, Interrupted, UsageError
from mlops_tui.events import Deployment
from mlops_tui.project import Project
from mlops_tui.session import Session

NOW = "2099-01-01T00:00:00Z"
LONG_AGO = "2020-01-01T00:00:00.1234567Z"  # as Azure writes it
WELL, ILL = Health(True), Health(False, "it answers 500")


class Clients:
    """What the cloud says, and what the stage answers."""

    def __init__(self, answers: Health, group: Any = None, endpoint: Any = None, behind: Any = ()) -> None:
        self.container_groups = SimpleNamespace(get=lambda group_id: group)
        self.online_endpoints = SimpleNamespace(
            get=lambda workspace, name: endpoint, deployments=lambda workspace, name: behind
        )
        self.scoring = SimpleNamespace(health=lambda url: answers, door=lambda url: answers)

    def close(self) -> None:
        """Nothing is open."""


def session_of(clients: Clients) -> Session:
    session = Session(Project(), AZURE)
    session.learn("subscription_id", "s")
    session._clients = cast("Any", clients)
    return session


def container(state: str, **more: Any) -> ContainerState:
    return ContainerState("api", "image", state, more.pop("detail", ""), **more)


def group(provisioning: str, state: str, *containers: ContainerState, host: str = "wine.example") -> ContainerGroup:
    return ContainerGroup("/id", "wine", provisioning, state, host, (5001,), containers, {})


@pytest.mark.parametrize(
    ("found", "answers", "health", "said"),
    [
        (group("Succeeded", "Running", container("Running", started=LONG_AGO)), WELL, "healthy", ""),
        (group("Succeeded", "Running", container("Running", started=LONG_AGO)), ILL, "unhealthy", "it answers 500"),
        (
            group("Succeeded", "Running", container("Running", started=NOW)),
            ILL,
            "starting",
            "the model is being loaded",
        ),
        (
            group("Succeeded", "Running", container("Running", started=NOW, restarts=2)),
            ILL,
            "starting",
            "the model is being loaded; restarts: 2",
        ),
        (group("Creating", "Pending", container("")), ILL, "starting", "it is creating"),
        (group("Pending", "", container("Waiting")), ILL, "starting", "it is pending"),
        (group("Creating", "", host=""), ILL, "starting", "it is creating"),
        (
            group("Succeeded", "Stopped", container("Terminated", exit_code=143, events=("Killing: Stopping",))),
            ILL,
            "unhealthy",
            "the container group has been stopped; deploying again starts it",
        ),
        (group("Failed", "Failed"), ILL, "unhealthy", "it is Failed"),
        (
            group(
                "Succeeded",
                "Running",
                container(
                    "Waiting",
                    detail="CrashLoopBackOff: Back-off 20s",
                    restarts=3,
                    exit_code=1,
                    events=("Killing: ...", "BackOff: Back-off restarting"),
                ),
            ),
            ILL,
            "unhealthy",
            "CrashLoopBackOff: Back-off 20s; exit code 1; restarts: 3; BackOff: Back-off restarting",
        ),
    ],
)
def test_a_container_group_is_well_or_says_why_not(
    found: ContainerGroup, answers: Health, health: str, said: str
) -> None:
    staging = endpoints.read_stage(session_of(Clients(answers, group=found)), "staging")
    assert (staging.health, staging.detail) == (health, said)
    assert staging.page == "https://portal.azure.com/#resource/id"


def online(state: str, **traffic: int) -> OnlineEndpoint:
    return OnlineEndpoint("/id", "wine", state, "https://wine.example/score", traffic, True, {})


def behind(**states: str) -> tuple[OnlineDeployment, ...]:
    return tuple(OnlineDeployment(name, state, {"build_number": f"of {name}"}) for name, state in states.items())


@pytest.mark.parametrize(
    ("endpoint", "deployments", "answers", "health", "said"),
    [
        (online("Succeeded", blue=100), behind(blue="Succeeded"), WELL, "healthy", ""),
        (online("Succeeded", blue=100), behind(blue="Succeeded", green="Creating"), WELL, "healthy", ""),
        (online("Updating", blue=100), behind(blue="Updating"), WELL, "healthy", ""),
        (online("Succeeded", blue=100), behind(blue="Succeeded"), ILL, "unhealthy", "it answers 500"),
        (online("Succeeded", blue=100), behind(blue="Failed"), WELL, "unhealthy", "blue is failed"),
        (online("Deleting", blue=100), behind(blue="Succeeded"), WELL, "unhealthy", "wine is deleting"),
        (online("Succeeded", blue=100), behind(blue="Creating"), ILL, "starting", "blue is creating"),
        (online("Succeeded"), behind(blue="Creating"), ILL, "starting", "no deployment has the traffic yet"),
        (online("Creating"), (), ILL, "starting", "no deployment has the traffic yet"),
        (online("Succeeded"), behind(blue="Failed"), ILL, "unhealthy", "blue failed"),
        (online("Succeeded"), (), ILL, "unhealthy", "no deployment has the traffic"),
    ],
)
def test_an_online_endpoint_is_well_or_says_why_not(
    endpoint: OnlineEndpoint, deployments: Any, answers: Health, health: str, said: str
) -> None:
    found = endpoints.read_stage(session_of(Clients(answers, endpoint=endpoint, behind=deployments)), "production")
    assert (found.health, found.detail) == (health, said)


def test_only_what_is_in_order_and_idle_is_there_to_go_back_to() -> None:
    def one(name: str, traffic: int, state: str = "Succeeded") -> Deployment:
        return Deployment(name, "image", f"of {name}", traffic, state)

    assert endpoints.before_it((one("blue", 0), one("green", 100))) == one("blue", 0)
    assert endpoints.before_it((one("blue", 0, "Failed"), one("green", 100))) is None
    assert endpoints.before_it((one("blue", 10), one("green", 90))) is None, "it still answers"
    three = (one("a", 0), one("b", 0), one("c", 100))
    assert endpoints.before_it(three, "of b") == one("b", 0)
    assert endpoints.with_traffic((one("blue", 10), one("green", 90))) == one("green", 90)
    assert endpoints.with_traffic((one("blue", 0),)) is None


def test_what_is_starting_is_waited_for_and_whoever_wants_to_stop_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    starting = session_of(Clients(ILL, group=group("Creating", "Pending", container(""))))
    monkeypatch.setattr(endpoints, "LOOK_SECONDS", 0.001)
    with pytest.raises(DeliveryFailedError, match="Staging does not answer: it is creating"):
        endpoints.require(starting, "staging", patience=0.01)
    starting.cancelled.set()
    with pytest.raises(Interrupted):
        endpoints.require(starting, "staging", patience=60)
    with pytest.raises(UsageError, match="Nothing is deployed to production"):
        endpoints.require(session_of(Clients(ILL)), "production")
