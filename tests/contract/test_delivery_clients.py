"""The app's own clients for delivery against the practice cloud: models, images, container groups, scoring."""

from __future__ import annotations

import contextlib
import statistics
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from mlops_tui import redaction
from mlops_tui.clouds.cloud import AZURE, local_cloud
from mlops_tui.clouds.container_images import ContainerImages
from mlops_tui.clouds.identity import Identity
from mlops_tui.clouds.scoring import Scoring
from mlops_tui.delivery import endpoints, keys, names, stage_log, trying
from mlops_tui.delivery.kept_rows import given
from mlops_tui.errors import (
    CloudError,
    DeliveryFailedError,
    ForbiddenError,
    Interrupted,
    NotFoundError,
    SignInError,
    UnreachableError,
    UsageError,
)
from mlops_tui.events import LogLine
from mlops_tui.project import Project
from mlops_tui.session import Session
from tests.conftest import LiveSandbox
from tests.contract.azure_fixtures import owner
from tests.contract.delivery_stories import KEY, ROWS, Desk, eventually, make_desk, make_place  # noqa: F401 (fixtures)

pytestmark = [pytest.mark.xdist_group("delivery"), pytest.mark.timeout(180)]
REGISTRY = ("2023-07-01", {"location": "westeurope", "sku": {"name": "Basic"}, "properties": {}})
ROW = [{"alcohol": 10.0, "ash": 3}]


def test_tags_are_merged_and_all_else_of_a_version_stays(desk: Desk) -> None:
    desk.build("1")
    second = desk.build("2")
    newest, oldest = desk.versions()
    assert (newest.version, newest.tags["build_number"], oldest.version) == ("2", "2", "1")
    assert newest.created is not None
    assert abs(newest.created - time.time()) < 60
    before = desk.resources.get(newest.id, "2024-04-01", "it")["properties"]
    changed = desk.session.clients.models.tag(newest, {"verdict": "passed", "build_number": "2b"})
    assert changed.tags == newest.tags | {"verdict": "passed", "build_number": "2b"}
    after = desk.resources.get(newest.id, "2024-04-01", "it")["properties"]
    assert {name for name in before if before[name] != after[name]} == {"tags"}
    assert desk.versions()[0].tags["model_image_id"] == second.image


def test_what_is_not_there_is_none_and_no_error(desk: Desk) -> None:
    clients, workspace = desk.session.clients, names.ml_workspace_id(desk.session)
    assert desk.versions() == ()
    assert clients.models.versions(f"{workspace}-gone", "wine") == ()
    assert clients.container_groups.get(names.container_group_id(desk.session)) is None
    assert desk.resources.delete(names.container_group_id(desk.session), "2023-05-01", "it") is None
    with pytest.raises(NotFoundError):
        clients.container_groups.logs(names.container_group_id(desk.session), "api", 5)


def test_an_image_is_in_the_registry_or_not(desk: Desk) -> None:
    built = desk.build("1")
    images = desk.session.clients.container_images
    assert images.exists(built.image)
    assert not images.exists(f"{built.image.partition('@')[0]}@sha256:{'0' * 64}")
    assert not images.exists(built.image.replace("/winequality@", "/other@"))
    with pytest.raises(UsageError):
        images.exists("winequality:latest")
    digest = built.image.partition("@")[2]
    for elsewhere in ("evil.example/acr", f"{built.image.partition('/')[0]}.evil.example/acr"):
        with pytest.raises(UsageError, match="in no registry of this cloud"):  # and is sent no token
            images.exists(f"{elsewhere}/winequality@{digest}")
    group = desk.put(
        f"{desk.place.group_id}/providers/Microsoft.ContainerRegistry/registries/{desk.place.registry}x", *REGISTRY
    )
    assert not images.exists(built.image.replace(f"/{desk.place.registry}/", f"/{group['name']}/"))


def test_on_azure_a_token_goes_to_azure_s_registries_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def exchange(images: ContainerImages, path: str, server: str, repository: str) -> str:
        asked.append(server)
        raise NotFoundError("no")

    monkeypatch.setattr(ContainerImages, "_token", exchange)
    images = ContainerImages(Identity(Project(), AZURE, {}), AZURE)
    for server in ("mlops1a2b3c4d.azurecr.io", "evil.example", "mlops.azurecr.io.evil.example", "x/mlops1.azurecr.io"):
        with contextlib.suppress(UsageError):
            assert not images.exists(f"{server}/winequality@sha256:{'a' * 64}")
    assert asked == ["mlops1a2b3c4d.azurecr.io"]
    images.close()


def test_a_stranger_may_not_look_and_is_told_what_to_do(desk: Desk) -> None:
    built = desk.build("1")
    stranger = owner(desk.place.live).service_principal("stranger")
    project = replace(desk.project, client_id=stranger.application["appId"], client_secret=stranger.secret)
    session = Session(project, desk.session.cloud)
    session.learn("subscription_id", desk.place.subscription)
    with pytest.raises(ForbiddenError) as caught:
        endpoints.read(session)
    assert "az role assignment create" in caught.value.hint
    with pytest.raises((ForbiddenError, SignInError)):
        session.clients.container_images.exists(built.image)
    session.close()


def test_staging_is_read_from_nothing_to_healthy_and_in_well_under_a_second(desk: Desk) -> None:
    absent, production = endpoints.read(desk.session)
    assert (absent.health, absent.name, absent.target) == (
        "absent",
        f"{desk.project.name}-aci",
        "Azure Container Instances",
    )
    assert (production.stage, production.health) == ("production", "absent")
    first, second = desk.build("1"), desk.build("2", slope=0.6)
    desk.to_staging(second, previous=first)
    taken = []
    for _ in range(3):
        started = time.perf_counter()
        staging, _ = endpoints.read(desk.session)
        taken.append(time.perf_counter() - started)
    assert (staging.health, staging.build, staging.image, staging.previous) == ("healthy", "2", second.image, "1")
    assert [(one.traffic, one.version, one.state) for one in staging.deployments] == [(100, "2", "Running")]
    assert staging.url.startswith("http://localhost:")
    assert staging.url.endswith("/score")
    assert min(taken) < 0.7


def test_a_container_that_ends_again_and_again_is_unhealthy_and_says_why(desk: Desk) -> None:
    built = desk.build("1")
    body = desk.group_body(built, {"model_image_id": built.image, "build_number": "1"})
    body["properties"]["containers"][0]["properties"]["command"] = ["python", "-c", "raise SystemExit('no model')"]
    desk.put(names.container_group_id(desk.session), "2023-05-01", body)
    eventually(lambda: desk.health("staging") == "unhealthy")
    found = endpoints.read_stage(desk.session, "staging")
    assert "exit code 1" in found.detail
    with pytest.raises(DeliveryFailedError, match=r"Staging does not answer: .*exit code 1"):
        endpoints.require(desk.session, "staging")
    stage_log.read(desk.session, desk.events.append, "staging", follow=False)
    assert "no model" in desk.lines()


def test_an_image_that_is_not_there_is_refused_with_the_service_s_own_code(desk: Desk) -> None:
    built = desk.build("1")
    body = desk.group_body(built, {})
    body["properties"]["containers"][0]["properties"]["image"] = built.image[:-4] + "0000"
    with pytest.raises(CloudError) as caught:
        desk.put(names.container_group_id(desk.session), "2023-05-01", body)
    assert caught.value.code == "InaccessibleImage"


def test_a_model_is_asked_with_its_key_alone(desk: Desk) -> None:
    desk.to_staging(desk.build("1"))
    key = keys.endpoint_key(desk.session, "staging")
    assert key == KEY
    assert redaction.redact(f"the key is {key}") == "the key is [REDACTED]"
    url = endpoints.read_stage(desk.session, "staging").url
    scoring = desk.session.clients.scoring
    scored = scoring.score(url, key, [*ROW, {"alcohol": 12.0, "ash": 4}])
    assert scored.predictions == (5.0, 6.0)
    assert 0 < scored.milliseconds < 2000
    for wrong in ("", "another-key"):
        with pytest.raises(SignInError, match=r"refuses the key \(401\). The key is missing or wrong"):
            scoring.score(url, wrong, ROW)
    with pytest.raises(CloudError, match=r"cannot score these rows \(400\). Model is missing inputs"):
        scoring.score(url, key, [{"alcohol": 10.0}])
    taken = [scoring.score(url, key, ROW).milliseconds for _ in range(50)]
    assert statistics.median(taken) < 50, "one connection is kept open"


def test_nobody_there_is_unreachable_within_seconds(desk: Desk) -> None:
    started = time.monotonic()
    with pytest.raises(UnreachableError, match="nobody listens there"):
        desk.session.clients.scoring.score("http://127.0.0.1:9/score", "key", ROW)
    assert time.monotonic() - started < 3


class Odd(BaseHTTPRequestHandler):
    """Answers as the path says."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        status, content = {
            "/html": (200, b"<html>sign in</html>"),
            "/fewer": (200, b'{"predictions": []}'),
            "/words": (200, b'{"predictions": ["good"]}'),
            "/nested": (200, b'{"predictions": [[4.5]]}'),
            "/null": (200, b'{"predictions": [null]}'),
            "/broken": (500, b'{"error": {"code": "X", "message": "The model broke."}}'),
            "/elsewhere": (302, b""),
            "/busy": (429, b"slow down"),
            "/managed": (424, b'{"error": "The column alcohol is missing."}'),
            "/down": (424, b""),
        }[self.path]
        self.send_response(status)
        if self.path == "/managed":
            self.send_header("ms-azureml-model-error-statuscode", "400")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Location", "http://127.0.0.1:9/stolen")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (its name there)
        """Says nothing."""


@pytest.fixture
def odd() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Odd)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join(5)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("html", "with no JSON"),
        ("fewer", "0 predictions for 1 rows"),
        ("words", "predictions that are no numbers"),
        ("broken", r"does not work \(500\). The model broke."),
        ("elsewhere", r"sends elsewhere \(302\)"),
        ("busy", r"is busy \(429\)"),
        ("managed", r"cannot score these rows \(400\). The column alcohol is missing."),
        ("down", r"does not work \(424\)."),
    ],
)
def test_odd_answers_are_told_in_a_sentence(live: LiveSandbox, odd: str, path: str, said: str) -> None:
    scoring = Scoring(local_cloud(live.origin, str(live.ca)))
    with pytest.raises(CloudError, match=said):
        scoring.score(f"{odd}/{path}", "key", ROW)
    scoring.close()


def test_rows_of_one_are_unwrapped_and_nothing_is_no_number(live: LiveSandbox, odd: str) -> None:
    scoring = Scoring(local_cloud(live.origin, str(live.ca)))
    assert scoring.score(f"{odd}/nested", "key", ROW).predictions == (4.5,)
    (nothing,) = scoring.score(f"{odd}/null", "key", ROW).predictions
    assert nothing != nothing
    scoring.close()


def test_somebody_tries_the_endpoint_with_real_rows_and_with_their_own(desk: Desk) -> None:
    built = desk.build("1")
    read = trying.read_rows(desk.session, limit=3)
    assert (read.build, len(read.rows), read.target) == ("1", 3, (4.0, 4.0, 4.0))
    assert read.rows[1] == {"alcohol": 8.1, "ash": 1.0}
    with pytest.raises(UsageError, match="Nothing is deployed to staging"):
        trying.predict(desk.session, "staging", ROW)
    desk.to_staging(built)
    found = trying.predict(desk.session, "staging", read.rows)
    assert found.predictions == pytest.approx((4.0, 4.05, 4.1))
    assert (found.build, found.deployment) == ("1", f"{desk.project.name}-aci")
    with_target = trying.predict(desk.session, "staging", given("quality,ash,alcohol\n5,3,10\n"))
    assert with_target.predictions == (5.0,)
    with pytest.raises(UsageError) as caught:
        trying.predict(desk.session, "staging", [{"alcool": 10.0, "ash": 1}])
    assert "did you mean 'alcohol'?" in caught.value.problems[0]
    with pytest.raises(UsageError, match="no deployment 'blue'"):
        trying.predict(desk.session, "staging", ROW, deployment="blue")
    with pytest.raises(UsageError, match="No image of build 9"):
        trying.read_rows(desk.session, "9")


def test_a_log_is_followed_over_a_restart_and_each_line_told_once(desk: Desk) -> None:
    desk.to_staging(desk.build("1"))
    url = endpoints.read_stage(desk.session, "staging").url
    following = threading.Thread(target=lambda: _follow(desk), daemon=True)
    following.start()
    scoring = desk.session.clients.scoring
    for rows in (3, 5, 7):
        scoring.score(url, KEY, ROW * rows)
        eventually(lambda rows=rows: f"scored {rows}" in desk.lines())  # type: ignore[misc]  # bound at once
    group = desk.session.clients.container_groups.get(names.container_group_id(desk.session))
    assert group is not None
    desk.resources.post(group.id, "restart", "2023-05-01", "the container group").result()
    eventually(lambda: _is_answered(desk, 9))
    eventually(lambda: "scored 9" in desk.lines())
    desk.session.cancelled.set()
    following.join(10)
    assert not following.is_alive()
    scored = [line for line in desk.lines() if line.startswith("scored")]
    assert scored[:3] == ["scored 3", "scored 5", "scored 7"]
    assert set(scored[3:]) == {"scored 9"}
    assert {event.source for event in desk.told(LogLine)} == {"staging"}


def _is_answered(desk: Desk, rows: int) -> bool:
    """Not while the container is being replaced."""
    try:
        url = endpoints.read_stage(desk.session, "staging").url
        return bool(desk.session.clients.scoring.score(url, KEY, ROW * rows).predictions)
    except UnreachableError:
        return False


def _follow(desk: Desk) -> None:
    with pytest.raises(Interrupted, match="Left the log of staging"):
        stage_log.read(desk.session, desk.events.append, "staging", follow=True)


def test_whole_tables_are_scored(desk: Desk) -> None:
    desk.to_staging(desk.build("1"))
    rows = [{"alcohol": 8 + number / 100, "ash": number} for number in range(ROWS * 100)]
    url = endpoints.read_stage(desk.session, "staging").url
    assert len(desk.session.clients.scoring.score(url, KEY, rows).predictions) == len(rows)
