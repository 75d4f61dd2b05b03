"""A person has an image built from a folder, without Docker: what is built, what is told, what is refused."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from mlops_tui.sandbox.base_images import OWN
from tests.contract.azure_fixtures import CONTRIBUTOR, READER, close_clients, code_of, wait_until  # noqa: F401
from tests.contract.registry_stories import SOURCE, Builds, own_registry

if TYPE_CHECKING:
    from tests.conftest import LiveSandbox

pytestmark = pytest.mark.xdist_group("registry")


@pytest.fixture
def builds(live: LiveSandbox) -> Builds:
    return own_registry(live)


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
