"""A person has an image built from a folder, without Docker: what is built, what is told, what is refused."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.mgmt.containerregistrytasks.models import PlatformProperties

from mlops_tui.sandbox.base_images import OWN
from mlops_tui.sandbox.images import Images
from tests.conftest import LiveSandbox, serve
from tests.contract.azure_fixtures import (
    CONTRIBUTOR,
    OPEN,
    READER,
    close_clients,  # noqa: F401 (a fixture)
    code_of,
    wait_until,
)
from tests.contract.registry_stories import (
    SOURCE,
    VERSION,
    Builds,
    create,
    images_in,
    own_registry,
    packed,
    registry_owner,
)

pytestmark = pytest.mark.xdist_group("registry")


@pytest.fixture(scope="module")
def kept_registry(live: LiveSandbox) -> Any:
    """One registry for all stories; each takes repositories of its own."""
    registry = own_registry(live).registry
    while OPEN:
        OPEN.pop().close()
    return registry


@pytest.fixture
def builds(live: LiveSandbox, kept_registry: Any) -> Builds:
    return Builds(registry_owner(live), kept_registry)


@pytest.fixture
def images(live: LiveSandbox) -> Iterator[Images]:
    yield from images_in(live)


def test_an_image_is_built_pushed_and_told_of(builds: Builds) -> None:
    run = builds.build(SOURCE, "winequality:17", "winequality:{{.Run.ID}}")
    log = builds.log(run.run_id)
    assert run.status == "Succeeded", log
    assert [(image.repository, image.tag) for image in run.output_images] == [
        ("winequality", "17"),
        ("winequality", run.run_id),
    ]
    digests = {image.digest for image in run.output_images}
    assert len(digests) == 1
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", digests.pop())
    assert run.output_images[0].registry == builds.login_server
    assert run.create_time <= run.start_time <= run.finish_time
    for line in (
        f"Step 1/10 : FROM python:{OWN}-slim",
        "Requirement already satisfied: packaging",
        "checked ['--check']",
        f"Successfully tagged {builds.login_server}/winequality:17",
        f"17: digest: {run.output_images[0].digest} size: ",
    ):
        assert line in log
    assert re.search(rf"Run ID: {run.run_id} was successful after \d+s\n$", log)
    properties = builds.log_blob(run.run_id).get_blob_properties()
    assert properties.metadata == {"complete": "successful"}
    assert builds.tasks.runs.get(*builds.place, run.run_id).type == "Microsoft.ContainerRegistry/registries/runs"


def test_the_log_grows_while_the_build_runs(builds: Builds) -> None:
    slow = "import time\nprint('first', flush=True)\ntime.sleep(60)\n"
    run_id = builds.schedule(SOURCE | {"serve.py": slow}, "winequality:1")
    for _ in wait_until(15):
        if "first" in builds.log(run_id):
            break
    blob = builds.log_blob(run_id)
    properties = blob.get_blob_properties()
    assert properties.metadata == {}
    assert properties.blob_type == "AppendBlob"
    running: Any = builds.tasks.runs.get(*builds.place, run_id).properties
    assert running.status == "Running"
    whole = blob.download_blob().readall()
    assert blob.download_blob(offset=5, length=10).readall() == whole[5:15]
    builds.tasks.runs.cancel(*builds.place, run_id)
    run = builds.ended(run_id)
    assert (run.status, run.output_images) == ("Canceled", [])
    assert re.search(rf"Run ID: {run_id} was canceled after \d+s\n$", builds.log(run_id))
    assert builds.log_blob(run_id).get_blob_properties().metadata == {"complete": "canceled"}
    with pytest.raises(HttpResponseError) as caught:
        builds.tasks.runs.cancel(*builds.place, run_id)
    assert caught.value.status_code == 409


def test_a_build_that_fails_says_why_and_leaves_no_image(builds: Builds, images: Images) -> None:
    broken = SOURCE | {"serve.py": "raise SystemExit('the model does not load')\n"}
    run = builds.build(broken, "broken:1")
    assert (run.status, run.output_images) == ("Failed", [])
    why = "The command '/bin/sh -c python serve.py --check' returned a non-zero code: 1 (line 6 of the Dockerfile)"
    assert why in run.run_error_message
    log = builds.log(run.run_id)
    assert "the model does not load\n" in log
    assert re.search(rf"{re.escape(why)}\n\nRun ID: {run.run_id} failed after \d+s\. Error: failed during run", log)
    assert "broken" not in images.repositories(builds.registry.name)
    assert images.find(f"{builds.login_server}/broken:1") is None


def test_the_same_source_is_the_same_image(builds: Builds) -> None:
    first = builds.build(SOURCE, "winequality:1", arguments={"UNUSED": "1"})
    second = builds.build(SOURCE, "winequality:2", "other/place:1", no_cache=True)
    other = builds.build(SOURCE | {"model/weights.txt": "4\n"}, "winequality:3")
    assert first.output_images[0].digest == second.output_images[0].digest == second.output_images[1].digest
    assert other.output_images[0].digest != first.output_images[0].digest
    listed = list(builds.tasks.runs.list(*builds.place))
    assert [one.name for one in listed[:3]] == [other.run_id, second.run_id, first.run_id]
    named = builds.tasks.runs.list(*builds.place, filter=f"RunId eq '{first.run_id}'")
    assert [one.name for one in named] == [first.run_id]


def test_what_is_not_pushed_is_not_there(builds: Builds, images: Images) -> None:
    run = builds.build(SOURCE, "unpushed:1", is_push_enabled=False)
    assert (run.status, run.output_images) == ("Succeeded", [])
    assert images.find(f"{builds.login_server}/unpushed:1") is None


@pytest.mark.parametrize("name", ["WineQuality:1", "wine quality:1", "wine:not/a/tag", ""])
def test_a_name_that_no_image_can_have_fails_the_run(builds: Builds, name: str) -> None:
    run = builds.build(SOURCE, name)
    assert run.status == "Failed"
    assert "invalid reference format" in run.run_error_message


def test_a_source_that_was_not_uploaded_or_is_no_archive_fails_the_run(builds: Builds) -> None:
    target = builds.tasks.registries.get_build_source_upload_url(*builds.place)
    run = builds.tasks.registries.schedule_run(*builds.place, builds.request(str(target.relative_path), "wine:1"))
    assert "was not uploaded" in builds.ended(str(run.name)).run_error_message
    path = builds.upload(b"this is no archive")
    run = builds.tasks.registries.schedule_run(*builds.place, builds.request(path, "wine:1"))
    assert "error reading the build context" in builds.ended(str(run.name)).run_error_message


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        ({"timeout": 10}, "BadRequest"),
        ({"source_location": "https://github.com/someone/something.git"}, "SourceLocationNotSupported"),
        ({"source_location": "../../credentials.json"}, "SourceLocationNotSupported"),
        ({"source_location": "source/../../../credentials.json"}, "SourceLocationNotSupported"),
        ({"platform": PlatformProperties(os="Windows")}, "PlatformNotSupported"),
        ({"platform": PlatformProperties(os="Linux", architecture="arm64")}, "PlatformNotSupported"),
    ],
)
def test_a_run_that_cannot_be_is_refused_at_once(builds: Builds, facts: dict[str, Any], code: str) -> None:
    wanted = builds.request("source/1/x.tar.gz", "wine:1")
    for name, value in facts.items():
        setattr(wanted, name, value)
    with pytest.raises(HttpResponseError) as caught:
        builds.tasks.registries.schedule_run(*builds.place, wanted)
    assert (caught.value.status_code, code_of(caught.value)) == (400, code)
    with pytest.raises(ResourceNotFoundError):
        builds.tasks.runs.get(*builds.place, "cx999999")


def test_signed_urls_are_good_for_one_thing_alone(builds: Builds) -> None:
    client = builds.http()
    upload = str(builds.tasks.registries.get_build_source_upload_url(*builds.place).upload_url)
    headers = {"x-ms-blob-type": "BlockBlob"}
    assert client.put(upload, content=b"data", headers=headers).status_code == 201
    assert client.get(upload).headers["x-ms-error-code"] == "AuthorizationPermissionMismatch"
    other = client.put(upload.replace(".tar.gz", ".tar.g"), content=b"data", headers=headers)
    assert (other.status_code, other.headers["x-ms-error-code"]) == (403, "AuthenticationFailed")
    later = re.sub(r"se=\d{4}", "se=2999", upload)
    assert client.put(later, content=b"data", headers=headers).status_code == 403
    assert client.put(upload.partition("?")[0], content=b"data", headers=headers).status_code == 403
    assert client.put(upload, content=b"data").headers["x-ms-error-code"] == "InvalidHeaderValue"


def test_who_may_only_read_cannot_build(builds: Builds) -> None:
    for role, status in ((READER, 403), (CONTRIBUTOR, 200)):
        member = builds.azure.service_principal("builder")
        builds.azure.assign(builds.registry.id, member.principal["id"], role)
        theirs = Builds(member.azure, builds.registry)
        try:
            theirs.tasks.registries.get_build_source_upload_url(*builds.place)
            seen = 200
        except HttpResponseError as error:
            seen = int(error.status_code or 0)
        assert seen == status
        assert len(list(theirs.tasks.runs.list(*builds.place))) == len(list(builds.tasks.runs.list(*builds.place)))


SLOW = SOURCE | {"serve.py": "import os, time\nprint('pid', os.getpid(), flush=True)\ntime.sleep(60)\n"}


def program_of(builds: Builds, run_id: str) -> int:
    """The process of a slow build's check, once it runs."""
    for _ in wait_until(15):
        if found := re.search(r"pid (\d+)\n", builds.log(run_id)):
            return int(found[1])
    raise AssertionError


def test_a_queued_run_is_canceled_at_once(builds: Builds) -> None:
    running = [builds.schedule(SLOW, "slow:1") for _ in range(2)]
    for run_id in running:
        program_of(builds, run_id)
    queued = builds.schedule(SLOW, "slow:2")
    waiting: Any = builds.tasks.runs.get(*builds.place, queued).properties
    assert waiting.status == "Queued"
    for run_id in (queued, *running):
        builds.tasks.runs.cancel(*builds.place, run_id)
    assert [builds.ended(run_id).status for run_id in (queued, *running)] == ["Canceled"] * 3
    assert f"Run ID: {queued} was canceled" in builds.log(queued)


def test_with_its_registry_a_build_ends(live: LiveSandbox) -> None:
    builds = own_registry(live)
    group, name = builds.place
    pid = program_of(builds, builds.schedule(SLOW, "slow:1"))
    builds.azure.resources.resources.begin_delete_by_id(builds.registry.id, api_version=VERSION).result(timeout=20)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert not (live.folder / "registries" / name).exists()
    again = Builds(builds.azure, create(builds.azure, name, group))
    assert list(again.tasks.runs.list(*again.place)) == []


def test_a_build_that_the_end_of_the_sandbox_interrupts_has_failed(tmp_path: Path) -> None:
    first = serve(tmp_path)
    builds = own_registry(next(first))
    run_id = builds.schedule(SLOW, "wine:1")
    program_of(builds, run_id)
    queued = [builds.schedule(SLOW, "wine:2"), builds.schedule(SLOW, "wine:3")]
    folder = tmp_path / "registries" / builds.registry.name
    old, fresh = (folder / builds.upload(packed(SOURCE)) for _ in range(2))
    yesterday = time.time() - 25 * 3600
    os.utime(old, (yesterday, yesterday))
    while OPEN:
        OPEN.pop().close()
    next(first, None)
    again = serve(tmp_path)
    live = next(again)
    builds = Builds(registry_owner(live), builds.registry)
    for each in (run_id, *queued):
        run = builds.tasks.runs.get(*builds.place, each).properties
        assert run is not None
        assert run.status == "Failed"
        assert "the sandbox was stopped while the build ran" in str(run.run_error_message)
        assert f"Run ID: {each} failed" in builds.log(each)
    assert {place.name for place in folder.iterdir()} == {"source", "logs"}
    assert (old.exists(), fresh.exists()) == (False, True)
    assert builds.build(SOURCE, "wine:4").status == "Succeeded"
    while OPEN:
        OPEN.pop().close()
    next(again, None)
