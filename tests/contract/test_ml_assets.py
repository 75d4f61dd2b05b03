"""A notebook registers models, environments and code in an Azure ML workspace, and others find them again."""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import serve
from tests.contract.azure_fixtures import (
    READER,
    Azure,
    close_clients,  # noqa: F401 (a fixture)
    owner,
    raw,
)
from tests.contract.ml_desk import PROVIDERS, DeskError, MlDesk, ml_desk, project_desk

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

    from tests.conftest import LiveSandbox

pytestmark = pytest.mark.xdist_group("azure-ml")

WORKSPACE = "ws-assets"
VERSION = "2024-10-01"


def make_workspace(ml: MLClient, name: str) -> None:
    from azure.ai.ml.entities import Workspace

    ml.workspaces.begin_create(Workspace(name=name, location="westeurope")).result()


@pytest.fixture(scope="module")
def desk(live: LiveSandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlDesk]:
    with project_desk(live, tmp_path_factory.mktemp("assets"), WORKSPACE) as desk:
        desk.call(make_workspace, WORKSPACE)
        yield desk


def write_model(folder: Path, content: bytes) -> Path:
    (folder / "data").mkdir(parents=True)
    (folder / "MLmodel").write_text("flavors:\n  python_function:\n    loader_module: mlflow.sklearn\n")
    (folder / "data" / "model.pkl").write_bytes(content)
    return folder


def register(ml: MLClient, name: str, path: str, tags: dict[str, str], version: str | None = None) -> dict[str, Any]:
    from azure.ai.ml.entities import Model

    made = ml.models.create_or_update(Model(name=name, version=version, path=path, type="mlflow_model", tags=tags))
    return {"version": made.version, "path": made.path, "tags": made.tags, "id": made.id, "type": made.type}


def look(ml: MLClient, name: str, version: str) -> dict[str, Any]:
    made = ml.models.get(name, version)
    return {"version": made.version, "path": made.path, "tags": made.tags, "description": made.description}


def versions(ml: MLClient, name: str) -> list[str]:
    return [str(one.version) for one in ml.models.list(name)]


def test_a_model_is_registered_and_found_again(desk: MlDesk) -> None:
    path = str(write_model(desk.folder / "wine", b"one"))
    first = desk.call(register, "wine", path, {"build_number": "1"})
    assert (first["version"], first["type"], first["tags"]) == ("1", "mlflow_model", {"build_number": "1"})
    assert f"/workspaces/{WORKSPACE}/datastores/workspaceblobstore/paths/LocalUpload/" in first["path"]
    second = desk.call(register, "wine", path, {"build_number": "2"})
    assert (second["version"], second["path"]) == ("2", first["path"])  # the same files are not sent again
    assert desk.call(versions, "wine") == ["2", "1"]
    found = desk.call(look, "wine", "1")
    assert (found["path"], found["tags"]) == (first["path"], {"build_number": "1"})


def test_its_files_come_back_as_they_were(desk: MlDesk) -> None:
    def download(ml: MLClient, name: str, version: str, target: str) -> None:
        ml.models.download(name, version, target)

    content = os.urandom(2_000_000)
    source = write_model(desk.folder / "whole", content)
    made = desk.call(register, "whole", str(source), {})
    desk.call(download, "whole", made["version"], "got")
    got = desk.folder / "got" / "whole" / "whole"
    names = {str(one.relative_to(got)) for one in got.rglob("*") if one.is_file()}
    assert names == {"MLmodel", "data/model.pkl"}
    assert hashlib.sha256((got / "data" / "model.pkl").read_bytes()).digest() == hashlib.sha256(content).digest()


def test_tags_change_and_content_does_not(desk: MlDesk) -> None:
    def tag(ml: MLClient, name: str, version: str, tags: dict[str, str]) -> dict[str, str]:
        model = ml.models.get(name, version)
        model.tags = {**(model.tags or {}), **tags}
        return dict(ml.models.create_or_update(model).tags or {})

    made = desk.call(register, "tagged", str(write_model(desk.folder / "tagged", b"a")), {"a": "1"})
    assert desk.call(tag, "tagged", "1", {"verdict": "passed"}) == {"a": "1", "verdict": "passed"}
    found = desk.call(look, "tagged", "1")
    assert (found["tags"], found["path"]) == ({"a": "1", "verdict": "passed"}, made["path"])
    other = str(write_model(desk.folder / "other", b"b"))
    with pytest.raises(DeskError, match="Asset paths cannot be updated") as caught:
        desk.call(register, "tagged", other, {}, "1")
    assert caught.value.kind == "ResourceExistsError"
    assert desk.call(look, "tagged", "1")["path"] == made["path"]
    assert desk.call(versions, "tagged") == ["1"]


def test_a_model_is_put_away_and_taken_out_again(desk: MlDesk) -> None:
    def archive(ml: MLClient, name: str, version: str | None, back: bool) -> None:
        (ml.models.restore if back else ml.models.archive)(name, version)

    def names(ml: MLClient) -> list[str]:
        return [str(one.name) for one in ml.models.list()]

    path = str(write_model(desk.folder / "old", b"a"))
    for _ in range(2):
        desk.call(register, "old", path, {})
    desk.call(archive, "old", "2", False)
    assert desk.call(versions, "old") == ["1"]
    assert desk.call(register, "old", path, {})["version"] == "3"
    desk.call(archive, "old", "2", True)
    assert desk.call(versions, "old") == ["3", "2", "1"]
    desk.call(archive, "old", None, False)
    assert "old" not in desk.call(names)
    desk.call(archive, "old", None, True)
    assert "old" in desk.call(names)


def test_the_latest_is_the_one_made_last(desk: MlDesk) -> None:
    def latest(ml: MLClient, name: str) -> str:
        return str(ml.models.get(name, label="latest").version)

    path = str(write_model(desk.folder / "latest", b"a"))
    for version in ("7", "prod-1", "3"):
        desk.call(register, "latest", path, {}, version)
    assert desk.call(latest, "latest") == "3"
    assert desk.call(register, "latest", path, {})["version"] == "8"


def test_what_is_not_there_is_not_found(desk: MlDesk) -> None:
    for version in ("1", "latest"):
        with pytest.raises(DeskError) as caught:
            desk.call(look, "nothing", version)
        assert (caught.value.kind, caught.value.code) == ("ResourceNotFoundError", "UserError")
    assert desk.call(versions, "nothing") == []


@pytest.mark.parametrize("name", ["has space", "-dash", "x" * 256])
def test_a_model_has_a_name_that_azure_allows(desk: MlDesk, name: str) -> None:
    folder = desk.folder / "named"
    path = str(folder if folder.exists() else write_model(folder, b"a"))
    with pytest.raises(DeskError) as caught:
        desk.call(register, name, path, {})
    assert caught.value.code == "UserError"


def test_an_environment_is_an_image_for_ever(desk: MlDesk) -> None:
    def make(ml: MLClient, image: str, version: str | None) -> dict[str, Any]:
        from azure.ai.ml.entities import Environment

        route = {"path": "/ping", "port": 5001}
        routes = {"liveness_route": route, "readiness_route": route, "scoring_route": {"path": "/score", "port": 5001}}
        made = Environment(name="served", version=version, image=image, inference_config=routes)
        ml.environments.create_or_update(made)
        newest = next(iter(ml.environments.list("served")))
        kept = ml.environments.get("served", newest.version)
        return {"version": kept.version, "image": kept.image, "routes": kept.inference_config}

    image = "localhost:1/registry/winequality@sha256:" + "a" * 64
    first = desk.call(make, image, None)
    assert (first["version"], first["image"]) == ("1", image)
    assert first["routes"]["scoringRoute"] == {"path": "/score", "port": 5001}
    assert desk.call(make, image.replace("a" * 64, "b" * 64), None)["version"] == "2"
    assert desk.call(make, image, "1")["version"] == "2"  # the same again
    with pytest.raises(DeskError, match="'image' cannot be changed"):
        desk.call(make, image.replace("a" * 64, "c" * 64), "1")


def test_code_is_sent_once(desk: MlDesk) -> None:
    def send(ml: MLClient, version: str, path: str) -> dict[str, Any]:
        from azure.ai.ml.entities._assets import Code

        made = ml._code.create_or_update(Code(name="scoring", version=version, path=path))
        return {"id": made.id, "path": made.path}

    folder = desk.folder / "scoring"
    folder.mkdir()
    (folder / "score.py").write_text("def run(): return 1\n")
    first = desk.call(send, "1", str(folder))
    assert first["path"].startswith("https://")
    assert desk.call(send, "2", str(folder)) == first
    (folder / "score.py").write_text("def run(): return 2\n")
    assert desk.call(send, "2", str(folder))["id"].endswith("/versions/2")


def test_the_workspace_has_its_datastores(desk: MlDesk) -> None:
    def datastores(ml: MLClient) -> dict[str, bool]:
        default = ml.datastores.get_default().name
        return {str(one.name): one.name == default for one in ml.datastores.list()}

    assert desk.call(datastores) == {"workspaceblobstore": True, "workspaceartifactstore": False}


def test_a_container_of_ones_own_becomes_a_datastore(desk: MlDesk, live: LiveSandbox) -> None:
    def connect(ml: MLClient, name: str, account: str, container: str, key: str) -> dict[str, Any]:
        from azure.ai.ml.entities import AccountKeyConfiguration, AzureBlobDatastore

        wanted = AzureBlobDatastore(
            name=name,
            account_name=account,
            container_name=container,
            credentials=AccountKeyConfiguration(account_key=key),
        )
        ml.datastores.create_or_update(wanted)
        made = ml.datastores.get(name)
        return {"names": sorted(str(one.name) for one in ml.datastores.list()), "container": made.container_name}

    def disconnect(ml: MLClient, name: str) -> list[str]:
        ml.datastores.delete(name)
        return [str(one.name) for one in ml.datastores.list()]

    default = call(owner(live), "GET", f"{root_of(desk, live)}/datastores/workspaceblobstore").json()["properties"]
    found = desk.call(connect, "mine", default["accountName"], default["containerName"], "a2V5")
    assert found["names"] == ["mine", "workspaceartifactstore", "workspaceblobstore"]
    assert found["container"] == default["containerName"]
    assert "mine" not in desk.call(disconnect, "mine")
    with pytest.raises(DeskError, match="There is no blob container 'nothing'"):
        desk.call(connect, "mine", default["accountName"], "nothing", "a2V5")


def root_of(desk: MlDesk, live: LiveSandbox) -> str:
    group = f"{owner(live).root}/resourceGroups/{desk.group}"
    return f"{group}/providers/Microsoft.MachineLearningServices/workspaces/{desk.workspace}"


def test_what_is_in_a_workspace_goes_with_it(desk: MlDesk, live: LiveSandbox, tmp_path: Path) -> None:
    def delete(ml: MLClient, name: str) -> None:
        ml.workspaces.begin_delete(name, delete_dependent_resources=False, permanently_delete=True).result()

    path = str(write_model(tmp_path / "brief", b"a"))
    brief = desk.other(workspace="ws-brief")
    for _ in range(2):
        brief.call(make_workspace, "ws-brief")
        assert brief.call(versions, "brief") == []
        assert brief.call(register, "brief", path, {})["version"] == "1"
        brief.call(delete, "ws-brief")


def test_who_may_only_read_registers_nothing(desk: MlDesk, live: LiveSandbox, tmp_path: Path) -> None:
    azure = owner(live)
    guest = azure.service_principal("a guest of models")
    azure.assign(f"{azure.root}/resourceGroups/{desk.group}", guest.principal["id"], READER)
    path = str(write_model(tmp_path / "guest", b"a"))
    guests = desk.other(client_id=guest.application["appId"], client_secret=guest.secret)
    assert guests.call(versions, "guest") == []
    with pytest.raises(DeskError, match="You don't have permission to alter this storage account"):
        guests.call(register, "guest", path, {})
    assert guests.call(versions, "guest") == []


def test_long_lists_come_in_pages(desk: MlDesk, live: LiveSandbox) -> None:
    azure = owner(live)
    root = root_of(desk, live)
    for number in range(1, 131):
        body = {"properties": {"modelUri": "azureml://datastores/workspaceblobstore/paths/x"}}
        assert call(azure, "PUT", f"{root}/models/many/versions/{number}", body).status_code == 201
    assert desk.call(versions, "many") == [str(number) for number in range(130, 0, -1)]
    first = call(azure, "GET", f"{root}/models/many/versions").json()
    assert (len(first["value"]), "nextLink" in first) == (100, True)
    properties = first["value"][0]["properties"]
    assert [properties[name] for name in ("tags", "properties", "flavors")] == [{}, {}, {}]
    assert call(azure, "DELETE", f"{root}/models/many/versions/130").status_code == 200
    assert call(azure, "GET", f"{root}/models/many").json()["properties"]["latestVersion"] == "129"
    assert call(azure, "DELETE", f"{root}/models/many").status_code == 200
    assert call(azure, "GET", f"{root}/models/many").status_code == 404


def call(azure: Azure, method: str, path: str, body: Any = None) -> Any:
    token = azure.credential.get_token(f"{azure.live.origin}/.default").token
    path = f"{path}?api-version={VERSION}"
    return raw(azure.live, method, path, json=body, Authorization=f"Bearer {token}")


def test_all_is_there_after_the_sandbox_has_started_again(tmp_path: Path) -> None:
    """The address stays when it is a process; here a new one serves the same folder."""
    folder = tmp_path / "cloud"
    folder.mkdir()
    first = serve(folder)
    live = next(first)
    azure = owner(live)
    for provider in PROVIDERS:
        azure.resources.providers.register(provider)
    group = azure.group()
    with ml_desk(live, tmp_path, group, WORKSPACE) as desk:
        desk.call(make_workspace, WORKSPACE)
        before = desk.call(register, "kept", str(write_model(tmp_path / "kept", b"bytes")), {"a": "1"})
    for _ in first:
        pass
    second = serve(folder)
    live = next(second)

    def download(ml: MLClient, name: str, version: str, target: str) -> None:
        ml.models.download(name, version, target)

    with ml_desk(live, tmp_path, group, WORKSPACE) as desk:
        assert desk.call(look, "kept", "1") == {key: before[key] for key in ("version", "path", "tags")} | {
            "description": None
        }
        desk.call(download, "kept", "1", "after")
    for _ in second:
        pass
    assert (tmp_path / "after" / "kept" / "kept" / "data" / "model.pkl").read_bytes() == b"bytes"
    files = [one for one in (folder / "blobs").rglob("*") if one.is_file()]
    assert files
    assert {stat.S_IMODE(one.stat().st_mode) for one in files} == {0o600}


def test_every_call_is_quick(desk: MlDesk) -> None:
    path = str(write_model(desk.folder / "quick", b"a"))
    desk.call(register, "quick", path, {})
    started = time.monotonic()
    for _ in range(5):
        desk.call(register, "quick", path, {})
    assert (time.monotonic() - started) / 5 < 1.0  # seconds; it takes a twentieth of one on an idle machine
