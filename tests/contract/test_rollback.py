"""Production and staging go back to what answered before, and forward again; nothing moves to what does not work."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from mlops_tui.delivery import endpoints, keys, names, stage_log, trying
from mlops_tui.delivery.rollback import rollback
from mlops_tui.delivery.validation import validate
from mlops_tui.errors import DeliveryFailedError, Interrupted, UsageError, ValidationFailedError
from mlops_tui.events import EndpointsRead, LaneState, Validated
from tests.contract.delivery_stories import KEY, Desk, eventually, make_desk, make_place  # noqa: F401 (fixtures)

pytestmark = [pytest.mark.xdist_group("rollback"), pytest.mark.timeout(180)]
ROW = [{"alcohol": 10.0, "ash": 3.0}]
MANAGED = pytest.mark.parametrize("desk", [{"production_target": "managed"}], indirect=True, ids=["managed"])
BOTH = pytest.mark.parametrize(
    "desk", [{"production_target": "aks"}, {"production_target": "managed"}], indirect=True, ids=["aks", "managed"]
)


def is_on_kubernetes(desk: Desk) -> bool:
    return desk.project.delivery.production_target == "aks"


def answer(desk: Desk, stage: Any = "production", deployment: str = "") -> tuple[float, str]:
    """What it predicts, and the build that says so."""
    found = trying.predict(desk.session, stage, ROW, deployment)
    return round(found.predictions[0], 6), found.build


def back(desk: Desk, stage: Any = "production") -> str:
    desk.events.clear()
    return rollback(desk.session, desk.events.append, stage)


@BOTH
def test_production_goes_back_and_forward_again(desk: Desk) -> None:
    first, second = desk.build("1"), desk.build("2", slope=0.55)
    desk.to_endpoint(first, "blue", is_on_kubernetes(desk))
    desk.to_endpoint(second, "green", is_on_kubernetes(desk))
    assert answer(desk) == (5.5, "2")
    assert answer(desk, deployment="blue") == (5.0, "1")
    before = endpoints.read_stage(desk.session, "production")
    assert (before.health, before.build, before.previous) == ("healthy", "2", "1")
    assert {one.name: one.traffic for one in before.deployments} == {"blue": 0, "green": 100}
    assert "back at build 1" in back(desk)
    assert answer(desk) == (5.0, "1")
    (read,) = desk.told(EndpointsRead)
    _, production = read.endpoints
    assert (production.build, production.image, production.previous) == ("1", first.image, "2")
    assert {one.name: one.traffic for one in production.deployments} == {"blue": 100, "green": 0}
    assert [(event.lane, event.state) for event in desk.told(LaneState)] == [
        ("production", "running"),
        ("production", "done"),
    ]
    endpoint = desk.session.clients.online_endpoints.get(names.ml_workspace_id(desk.session), production.name)
    assert endpoint is not None
    assert endpoint.tags == {
        "current_build": "1",
        "current_image": first.image,
        "previous_build": "2",
        "previous_image": second.image,
    }
    assert endpoint.kubernetes == is_on_kubernetes(desk)
    assert any("asking blue (build 1) on its own" in line for line in desk.lines())
    assert "back at build 2" in back(desk)
    assert answer(desk) == (5.5, "2")


@MANAGED
def test_with_nothing_to_go_back_to_it_says_what_is_there(desk: Desk) -> None:
    with pytest.raises(UsageError, match="Nothing is deployed to production"):
        back(desk)
    desk.to_endpoint(desk.build("1"), "blue")
    with pytest.raises(
        UsageError, match=r"blue \(build 1\) has 100 % of the traffic, and there is no other deployment"
    ) as caught:
        back(desk)
    assert "mlops-tui deploy production --build" in caught.value.hint
    assert [event.state for event in desk.told(LaneState)] == ["running", "failed"]
    assert answer(desk) == (5.0, "1")


@MANAGED
def test_no_traffic_goes_to_what_answers_otherwise_than_trained(desk: Desk) -> None:
    desk.to_endpoint(desk.build("1", off=1.0), "blue")
    desk.to_endpoint(desk.build("2"), "green")
    with pytest.raises(DeliveryFailedError, match=r"blue \(build 1\) cannot take over: it predicts something else"):
        back(desk)
    assert answer(desk) == (5.0, "2")


@MANAGED
def test_who_is_told_to_stop_moves_nothing(desk: Desk) -> None:
    desk.to_endpoint(desk.build("1"), "blue")
    desk.to_endpoint(desk.build("2"), "green")
    desk.session.cancelled.set()
    with pytest.raises(Interrupted):
        back(desk)
    desk.session.cancelled.clear()
    assert answer(desk)[1] == "2"


@MANAGED
def test_a_champion_is_asked_the_same_rows_and_a_worse_challenger_refused(desk: Desk) -> None:
    desk.to_endpoint(desk.build("1"), "blue")
    desk.to_staging(desk.build("2", slope=0.53))
    with pytest.raises(ValidationFailedError, match="champion"):
        validate(desk.session, desk.events.append)
    (found,) = desk.told(Validated)
    assert found.verdict.champion == "1"
    rmse, _ = found.verdict.comparisons
    assert rmse.champion < rmse.served
    assert [check.name for check in found.verdict.checks if not check.passed] == ["champion"]
    desk.events.clear()
    desk.to_staging(desk.build("3", slope=0.505))
    desk.to_endpoint(desk.build("4", slope=0.55), "green")
    validate(desk.session, desk.events.append)
    (found,) = desk.told(Validated)
    assert (found.verdict.passed, found.verdict.champion) == (True, "4")


@MANAGED
def test_production_is_validated_too_but_approves_nothing(desk: Desk) -> None:
    built = desk.build("1")
    desk.to_endpoint(built, "blue")
    validate(desk.session, desk.events.append, "production")
    (found,) = desk.told(Validated)
    assert (found.verdict.passed, found.verdict.stage) == (True, "production")
    assert "verdict" not in desk.versions()[0].tags


@MANAGED
def test_what_a_deployment_prints_is_followed_over_a_move_of_the_traffic(desk: Desk) -> None:
    desk.to_endpoint(desk.build("1"), "blue")
    key = keys.endpoint_key(desk.session, "production")
    assert key
    assert key != KEY
    url = endpoints.read_stage(desk.session, "production").url

    def follow() -> None:
        with pytest.raises(Interrupted):
            stage_log.read(desk.session, desk.events.append, "production", follow=True)

    following = threading.Thread(target=follow, daemon=True)
    following.start()
    desk.session.clients.scoring.score(url, key, ROW * 3)
    eventually(lambda: "scored 3" in desk.lines())
    desk.to_endpoint(desk.build("2", slope=0.55), "green")
    desk.session.clients.scoring.score(url, key, ROW * 4)
    eventually(lambda: "scored 4" in desk.lines())
    desk.session.cancelled.set()
    following.join(10)
    assert not following.is_alive()
    assert [line for line in desk.lines() if line.startswith("scored")] == ["scored 3", "scored 4"]
    assert "from here on: green" in desk.lines()


@MANAGED
def test_an_endpoint_without_traffic_is_not_healthy(desk: Desk) -> None:
    desk.to_endpoint(desk.build("1"), "blue")
    found = desk.session.clients.online_endpoints.get(
        names.ml_workspace_id(desk.session), desk.endpoint_id().split("/")[-1]
    )
    assert found
    desk.session.clients.online_endpoints.set_traffic(found, {"blue": 0}, {"note": "by hand"}).result()
    now = endpoints.read_stage(desk.session, "production")
    assert (now.health, now.detail) == ("unhealthy", "no deployment has the traffic")
    with pytest.raises(UsageError, match="nothing to go back from"):
        back(desk)


@pytest.mark.parametrize("desk", [{"staging_target": "managed"}], indirect=True, ids=["managed"])
def test_staging_behind_a_managed_endpoint_is_validated_and_goes_back_alike(desk: Desk) -> None:
    desk.to_endpoint(desk.build("1"), "blue", stage="staging")
    desk.to_endpoint(desk.build("2", slope=0.505), "green", stage="staging")
    staging, production = endpoints.read(desk.session)
    assert (staging.name, staging.target) == (f"{desk.project.name}-managed-staging", "managed online endpoint")
    assert (staging.health, staging.build, staging.previous, production.health) == ("healthy", "2", "1", "absent")
    validate(desk.session, desk.events.append)
    assert desk.versions()[0].tags["verdict"] == "passed"
    assert "verdict" not in desk.versions()[1].tags
    back(desk, "staging")
    assert answer(desk, "staging") == (5.0, "1")
    validate(desk.session, desk.events.append, build="1")
    assert desk.versions()[1].tags["verdict_build"] == "1"


def test_staging_goes_back_and_forward_again_with_its_secrets(desk: Desk) -> None:
    first, second = desk.build("1"), desk.build("2", slope=0.55)
    desk.to_staging(first)
    with pytest.raises(UsageError, match="knows of no build before 1"):
        back(desk, "staging")
    desk.to_staging(second, previous=first)
    group_id = names.container_group_id(desk.session)
    before = desk.resources.get(group_id, "2023-05-01", "it")["properties"]
    assert answer(desk, "staging") == (5.5, "2")
    back(desk, "staging")
    assert answer(desk, "staging") == (5.0, "1")
    staging, _ = desk.told(EndpointsRead)[0].endpoints
    assert (staging.build, staging.image, staging.previous, staging.health) == ("1", first.image, "2", "healthy")
    after = desk.resources.get(group_id, "2023-05-01", "it")["properties"]
    for name in ("resources", "ports"):
        assert after["containers"][0]["properties"][name] == before["containers"][0]["properties"][name]
    assert after["ipAddress"]["dnsNameLabel"] == before["ipAddress"]["dnsNameLabel"]
    assert after["restartPolicy"] == "Always"
    back(desk, "staging")
    assert answer(desk, "staging") == (5.5, "2")
    validate(desk.session, desk.events.append)


def test_a_lost_image_is_told_before_anything_is_changed(desk: Desk) -> None:
    first, second = desk.build("1"), desk.build("2")
    desk.to_staging(second, previous=first)
    group = desk.session.clients.container_groups.get(names.container_group_id(desk.session))
    assert group
    lost = first.image.partition("@")[0] + "@sha256:" + "0" * 64
    tagged = {"tags": group.tags | {"previous_image_id": lost}}
    desk.resources.patch(group.id, "2023-05-01", tagged, "the group").result()
    with pytest.raises(DeliveryFailedError, match="The image of build 1 is no longer in its registry") as caught:
        back(desk, "staging")
    assert "mlops-tui build --build 1" in caught.value.hint
    assert answer(desk, "staging")[1] == "2"
