"""The image of a build's best model: kept where it is there, built where not, refused where none is good enough."""

from __future__ import annotations

import pytest

from mlops_tui.delivery import follower, image
from mlops_tui.errors import DeliveryFailedError, GateMissedError, UsageError
from mlops_tui.events import Event, ImageReady, LaneState, LogLine
from tests.unit.delivery_cloud import FakeCloud, built, image_id, tracked, version

ONE, OTHER = image_id("a"), image_id("b")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follower, "QUICK", 0.001)


def build(cloud: FakeCloud, number: str = "") -> tuple[ImageReady, list[Event]]:
    told: list[Event] = []
    image.build_image(cloud.session(), told.append, number)
    (ready,) = [event for event in told if isinstance(event, ImageReady)]
    return ready, told


def lanes(told: list[Event]) -> list[tuple[str, str]]:
    return [(event.lane, event.state) for event in told if isinstance(event, LaneState)]


def test_the_newest_builds_best_run_is_built_and_told_as_azure_ml_has_it() -> None:
    runs = [tracked("r2", "8", 0.71), tracked("r1", "8", 0.75), tracked("r0", "7", 0.6)]
    registered = version("3", "8", "r2", ONE, metric_rmse="0.71", metric_mae="0.5", verdict="odd")
    cloud = FakeCloud(tracked_=runs, results=[built(ONE, "8", "r2", "3")], registers=registered)
    ready, told = build(cloud)
    assert ready.fresh
    assert (ready.image.id, ready.image.build, ready.image.version) == (ONE, "8", "3")
    assert ready.image.metrics == {"rmse": 0.71, "mae": 0.5}
    assert ready.image.verdict == "", "a tag that says neither is none"
    assert lanes(told) == [("image", "running"), ("image", "done")]
    job, given = cloud.started[0]
    assert (job, given["build_number"], given["build_source"], given["gate"]) == (1, "8", "local", "rmse < 0.8")


def test_an_image_that_is_there_is_kept_and_no_job_is_run() -> None:
    cloud = FakeCloud([version("1", "7", "r1", ONE)], [tracked("r1", "7", 0.7)], in_registry={ONE})
    ready, told = build(cloud, "7")
    assert (ready.fresh, ready.image.id) == (False, ONE)
    assert cloud.started == []
    assert [event.detail for event in told if isinstance(event, LaneState)][-1].endswith("is there already")


def test_an_image_that_the_registry_has_lost_is_built_again() -> None:
    cloud = FakeCloud([version("1", "7", "r1", ONE)], [tracked("r1", "7", 0.7)], results=[built(ONE)])
    ready, told = build(cloud, "7")
    assert ready.fresh
    assert any("has lost the image of build 7" in event.text for event in told if isinstance(event, LogLine))


def test_a_better_run_of_the_same_build_gets_an_image_of_its_own() -> None:
    runs = [tracked("r2", "7", 0.6), tracked("r1", "7", 0.7)]
    cloud = FakeCloud([version("1", "7", "r1", ONE)], runs, [built(OTHER, run_id="r2")], in_registry={ONE})
    cloud.registers = version("2", "7", "r2", OTHER)
    assert build(cloud, "7")[0].image.id == OTHER
    cloud.in_registry.add(OTHER)
    assert build(cloud, "7")[0].fresh is False


def test_runs_as_good_as_each_other_do_not_build_in_turns() -> None:
    runs = [tracked("again", "7", 0.7), tracked("r1", "7", 0.7)]
    cloud = FakeCloud([version("1", "7", "r1", ONE)], runs, in_registry={ONE})
    assert build(cloud, "7")[0].image.run_id == "r1"


def test_a_build_that_misses_the_gate_gets_no_image() -> None:
    cloud = FakeCloud(tracked_=[tracked("r1", "7", 0.81)])
    told: list[Event] = []
    with pytest.raises(GateMissedError, match=r"build 7 misses the gate rmse < 0\.8: the best run, run r1,"):
        image.build_image(cloud.session(), told.append, "7")
    assert lanes(told)[-1] == ("image", "failed")
    assert cloud.started == []


def test_builds_that_are_not_there_are_told_apart_from_those_that_are_not_trained() -> None:
    with pytest.raises(UsageError, match="No build has any runs yet"):
        build(FakeCloud())
    with pytest.raises(UsageError, match="Build 9 has no runs"):
        build(FakeCloud(tracked_=[tracked("r1", "7", 0.7)]), "9")


def test_an_image_that_no_model_version_tells_of_is_an_error() -> None:
    cloud = FakeCloud(tracked_=[tracked("r1", "7", 0.7)], results=[built(ONE)])
    with pytest.raises(DeliveryFailedError, match="no model version in Azure ML tells of an image of build 7"):
        build(cloud, "7")


def test_an_image_is_chosen_by_its_id_its_build_or_its_age() -> None:
    cloud = FakeCloud([version("2", "8", "r2", OTHER, verdict="passed"), version("1", "7", "r1", ONE)])
    session = cloud.session()
    assert image.chosen(session)[0].build == "8"
    assert image.chosen(session, build="7")[0].id == ONE
    assert image.chosen(session, image=ONE)[0].build == "7"
    assert [one.verdict for one in image.list_images(session)] == ["passed", ""]
    for text in ("None", "null", " ", "winequality:7"):
        with pytest.raises(UsageError, match="names no image"):
            image.chosen(session, image=text)
    with pytest.raises(DeliveryFailedError, match="No version of the model winequality tells of the image"):
        image.chosen(session, image=image_id("c"))
    with pytest.raises(UsageError, match="No image of build 9"):
        image.chosen(session, build="9")
    with pytest.raises(DeliveryFailedError, match="is lost") as caught:
        image.require_in_registry(session, image.chosen(session)[0])
    assert "mlops-tui build --build 8" in caught.value.hint
