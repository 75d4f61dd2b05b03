"""Long operations of Resource Manager, each way in which it tells of them, and what came of a lost connection."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from mlops_tui.clouds.arm_resources import ArmResources, Operation
from mlops_tui.clouds.container_groups import renewed
from mlops_tui.delivery import stage_log
from mlops_tui.delivery.stage_log import Follower, Look
from mlops_tui.errors import CloudError, Interrupted, MlopsError, NotFoundError, UnreachableError
from mlops_tui.events import Event, LogLine
from mlops_tui.following import outage
from mlops_tui.project import Project
from mlops_tui.session import Session

ID = "/subscriptions/s/resourceGroups/g/providers/Microsoft.X/things/one"
STATUS, RESULT = "https://arm/operations/1", "https://arm/results/1"
SOON = {"x-ms-retry-after-ms": "10"}


@dataclass
class Answer:
    """One answer of the service."""

    status_code: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def content(self) -> bytes:
        return b"" if self.body is None else json.dumps(self.body).encode()

    def json(self) -> Any:
        return self.body


class Recorded(ArmResources):
    """Answers from a list; what was asked is kept."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    def send(self, method: str, path: str, api_version: str = "", body: Any = None, at: str = "") -> Any:
        self.asked.append(f"{method} {at or path}")
        return self.answers.pop(0)

    @property
    def look_seconds(self) -> float:
        return 0.01


def body(state: str, **more: Any) -> dict[str, Any]:
    return {"id": ID, "properties": {"provisioningState": state, **more}}


def test_a_status_is_asked_for_until_it_is_final_and_then_the_resource() -> None:
    arm = Recorded(
        Answer(201, body("Creating"), {"Azure-AsyncOperation": STATUS, "Location": RESULT} | SOON),
        Answer(200, {"status": "InProgress"}, SOON),
        Answer(200, {"status": "Succeeded"}),
        Answer(200, body("Succeeded", port=1)),
    )
    operation = arm.put(ID, "1", {}, "the thing")
    assert not operation.wait(0)
    assert operation.result()["properties"]["port"] == 1
    assert arm.asked == [f"PUT {ID}", f"GET {STATUS}", f"GET {STATUS}", f"GET {ID}"]
    assert operation.status == "Succeeded"


def test_a_failure_inside_a_200_has_the_service_s_code_and_all_its_words() -> None:
    error = {"code": "OutOfQuota", "message": "Not enough.", "details": [{"code": "Inner", "message": "4 left"}]}
    arm = Recorded(
        Answer(202, None, {"azure-asyncoperation": STATUS} | SOON), Answer(200, {"status": "Failed", "error": error})
    )
    with pytest.raises(CloudError, match=r"The thing: Not enough\.") as caught:
        arm.put(ID, "1", {}, "the thing").result()
    assert caught.value.code == "OutOfQuota"
    assert "Inner: 4 left" in caught.value.raw
    assert "quota" in caught.value.hint.lower()


@pytest.mark.parametrize("state", ["Failed", "Canceled"])
def test_a_state_that_ends_badly_without_a_word_is_a_failure_too(state: str) -> None:
    arm = Recorded(Answer(201, body("Creating"), SOON), Answer(200, body("Updating"), SOON), Answer(200, body(state)))
    with pytest.raises(CloudError, match=f"It ended as {state}"):
        arm.put(ID, "1", {}, "the thing").result()


def test_a_location_is_looked_at_until_it_answers_otherwise() -> None:
    arm = Recorded(
        Answer(202, None, {"Location": RESULT} | SOON), Answer(202, None, SOON), Answer(200, {"primaryKey": "k"})
    )
    assert arm.post(ID, "listKeys", "1", "the thing").result() == {"primaryKey": "k"}
    assert arm.asked == [f"POST {ID}/listKeys", f"GET {RESULT}", f"GET {RESULT}"]


def test_an_action_with_both_is_read_where_it_says() -> None:
    arm = Recorded(
        Answer(202, None, {"Azure-AsyncOperation": STATUS, "Location": RESULT} | SOON),
        Answer(200, {"status": "Succeeded"}),
        Answer(200, {"content": "log"}),
    )
    assert arm.post(ID, "getLogs", "1", "the thing").result() == {"content": "log"}


def test_what_is_done_at_once_is_not_waited_for() -> None:
    arm = Recorded(Answer(200, body("Succeeded")), Answer(200, body("Succeeded")), Answer(204), Answer(200))
    assert arm.patch(ID, "1", {}, "the thing").wait(0)
    assert arm.put(ID, "1", {}, "the thing").wait(0)
    assert arm.delete(ID, "1", "the thing") is None, "there was none"
    gone = arm.delete(ID, "1", "the thing")
    assert gone
    assert gone.result() == {}


def test_the_service_s_own_pace_is_kept_and_a_caller_can_look_away() -> None:
    arm = Recorded(Answer(202, None, {"Azure-AsyncOperation": STATUS, "Retry-After": "30"}))
    operation = arm.delete(ID, "1", "the thing")
    assert isinstance(operation, Operation)
    started = time.monotonic()
    assert not operation.wait(0.05)
    assert time.monotonic() - started < 1, "whoever wants to stop is heard"
    assert len(arm.asked) == 1


def test_a_group_is_put_anew_with_its_secrets_and_without_what_azure_adds() -> None:
    group = {
        "id": ID,
        "location": "westeurope",
        "tags": {"a": "b"},
        "properties": {
            "provisioningState": "Succeeded",
            "instanceView": {"state": "Running"},
            "osType": "Linux",
            "restartPolicy": "Always",
            "imageRegistryCredentials": [{"server": "acr", "username": "app"}],
            "ipAddress": {
                "type": "Public",
                "ip": "1.2.3.4",
                "fqdn": "x.y",
                "dnsNameLabel": "x",
                "ports": [{"port": 1}],
            },
            "containers": [
                {
                    "name": "api",
                    "properties": {
                        "image": "old",
                        "instanceView": {},
                        "environmentVariables": [{"name": "SCORING_KEY"}, {"name": "MODE", "value": "fast"}],
                        "resources": {"requests": {"cpu": 1.0}},
                    },
                }
            ],
        },
    }
    before = json.dumps(group)
    made = renewed(group, "new", {"SCORING_KEY": "k"}, "pw")
    assert json.dumps(group) == before, "what was read is left alone"
    assert set(made) == {"location", "properties"}
    properties = made["properties"]
    assert set(properties) == {"osType", "restartPolicy", "imageRegistryCredentials", "ipAddress", "containers"}
    assert properties["imageRegistryCredentials"] == [{"server": "acr", "username": "app", "password": "pw"}]
    assert properties["ipAddress"] == {"type": "Public", "dnsNameLabel": "x", "ports": [{"port": 1}]}
    container = properties["containers"][0]["properties"]
    assert container["image"] == "new"
    assert container["environmentVariables"] == [
        {"name": "SCORING_KEY", "secureValue": "k"},
        {"name": "MODE", "value": "fast"},
    ]
    assert "instanceView" not in container


class Following:
    """A stage's log as a list of what each look finds; the last look stops the follower."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *looks: Look | MlopsError | None) -> None:
        from mlops_tui.clouds.cloud import local_cloud

        self.session = Session(Project(), local_cloud("https://localhost:1", ""))
        self.events: list[Event] = []
        self._looks: Iterator[Look | MlopsError | None] = iter(looks)
        monkeypatch.setattr(stage_log, "EVERY_LOCAL", 0.001)
        monkeypatch.setattr(stage_log, "_look", self._look)

    def _look(self, session: Session, stage: str) -> Look | None:
        found = next(self._looks, "end")
        if found == "end":
            session.cancelled.set()
            raise UnreachableError("over")
        if isinstance(found, MlopsError):
            raise found
        return cast("Look | None", found)

    def follow(self, first: Look) -> list[str]:
        Follower(self.session, self.events.append, "staging", first).follow()
        return self.lines

    @property
    def lines(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, LogLine)]


def test_a_follower_rides_out_a_lost_connection_and_tells_a_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    lost = UnreachableError("Nobody answers.")
    following = Following(
        monkeypatch,
        Look("aci", ("a", "b")),
        lost,
        Look("aci", ("a", "b", "c")),
        Look("aci", ()),
        Look("aci", ("a", "b", "c")),
        Look("aci", ("d",), restarts=1, detail="it ended with exit code 1"),
        Look("other", ("x",)),
    )
    with pytest.raises(Interrupted):
        following.follow(Look("aci", ("a",)))
    assert following.lines[:7] == [
        "b",
        "Nobody answers. Trying again; what runs goes on without us (0 s).",
        "c",
        "the connection is back",
        "aci has restarted (once so far): it ended with exit code 1",
        "d",
        "from here on: other",
    ]
    assert following.lines[7] == "x"


def test_a_follower_ends_where_nothing_answers_for_long_or_nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outage, "LOST_LOCAL_SECONDS", 0.0)
    with pytest.raises(UnreachableError, match="in the middle of the log of staging") as lost:
        Following(monkeypatch, UnreachableError("Nobody answers.")).follow(Look("aci", ()))
    assert lost.value.raw == "Nobody answers."
    gone = Following(monkeypatch, None)
    assert gone.follow(Look("aci", ())) == ["nothing is deployed to staging any more"]


def test_what_is_not_there_is_no_list_and_no_resource() -> None:
    class Missing(Recorded):
        def send(self, method: str, path: str, api_version: str = "", body: Any = None, at: str = "") -> Any:
            raise NotFoundError("no")

    assert Missing().get(ID, "1", "the thing") is None
    assert Missing().delete(ID, "1", "the thing") is None
