"""A person, a notebook and MLflow keep files in volumes through the Files API, large ones too."""

from __future__ import annotations

import http.client
import io
import ssl
from typing import TYPE_CHECKING

import pytest
import requests
from databricks.sdk.errors import AlreadyExists, BadRequest, NotFound, PermissionDenied
from databricks.sdk.errors.base import DatabricksError
from databricks.sdk.service.catalog import VolumeType

from tests.contract.workspace_users import fresh, learner, someone

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from databricks.sdk import WorkspaceClient

    from tests.conftest import LiveSandbox

pytestmark = pytest.mark.xdist_group("workspace")


@pytest.fixture
def w(live: LiveSandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[WorkspaceClient]:
    yield from learner(live, monkeypatch)


@pytest.fixture
def volume(w: WorkspaceClient) -> str:
    name = fresh("volume")
    w.volumes.create("main", "default", name, VolumeType.MANAGED)
    return f"/Volumes/main/default/{name}"


def text_at(w: WorkspaceClient, path: str) -> bytes:
    contents = w.files.download(path).contents
    assert contents is not None
    with contents:
        return contents.read()


def test_a_file_goes_up_and_comes_back(live: LiveSandbox, w: WorkspaceClient, volume: str) -> None:
    w.files.upload(f"{volume}/deep/er/Grüße €.txt", io.BytesIO(b"hello"))
    assert text_at(w, f"{volume}/deep/er/Grüße €.txt") == b"hello"
    assert (live.folder / "files" / volume[1:] / "deep" / "er" / "Grüße €.txt").read_bytes() == b"hello"
    metadata = w.files.get_metadata(f"{volume}/deep/er/Grüße €.txt")
    assert (metadata.content_length, metadata.content_type) == (5, "application/octet-stream")
    assert metadata.last_modified


def test_a_file_is_replaced_unless_told_otherwise(w: WorkspaceClient, volume: str) -> None:
    w.files.upload(f"{volume}/a", io.BytesIO(b"one"))
    with pytest.raises(AlreadyExists, match="The file being created already exists"):
        w.files.upload(f"{volume}/a", io.BytesIO(b"two"), overwrite=False)
    w.files.upload(f"{volume}/a", io.BytesIO(b"three"), overwrite=True)
    assert text_at(w, f"{volume}/a") == b"three"


def test_what_is_not_there_is_not_found(w: WorkspaceClient, volume: str) -> None:
    for act in (w.files.download, w.files.get_metadata, w.files.delete):
        with pytest.raises(NotFound):
            act(f"{volume}/no")
    with pytest.raises(NotFound):
        w.files.get_directory_metadata(f"{volume}/no")
    with pytest.raises(NotFound, match="The directory being accessed is not found"):
        list(w.files.list_directory_contents(f"{volume}/no"))
    with pytest.raises(NotFound, match=r"Volume 'main\.default\.no-such' does not exist"):
        w.files.upload("/Volumes/main/default/no-such/a", io.BytesIO(b"x"))


def test_directories_are_made_listed_in_pages_and_removed_when_empty(w: WorkspaceClient, volume: str) -> None:
    w.files.create_directory(f"{volume}/logs")
    w.files.create_directory(f"{volume}/logs")
    for number in range(5):
        w.files.upload(f"{volume}/logs/{number:06}.log", io.BytesIO(b"x" * number))
    entries = list(w.files.list_directory_contents(f"{volume}/logs", page_size=2))
    assert [one.name for one in entries] == [f"{number:06}.log" for number in range(5)]
    assert [one.file_size for one in entries] == [0, 1, 2, 3, 4]
    assert [(one.path, one.is_directory) for one in w.files.list_directory_contents(volume)] == [
        (f"{volume}/logs", True)
    ]
    with pytest.raises(BadRequest, match="not empty") as full:
        w.files.delete_directory(f"{volume}/logs")
    assert [detail.reason for detail in full.value.details] == ["FILES_API_DIRECTORY_IS_NOT_EMPTY"]
    for one in entries:
        w.files.delete(one.path or "")
    w.files.delete_directory(f"{volume}/logs")
    assert list(w.files.list_directory_contents(volume)) == []


def test_files_and_directories_are_not_mixed_up(w: WorkspaceClient, volume: str) -> None:
    w.files.upload(f"{volume}/file", io.BytesIO(b"x"))
    w.files.create_directory(f"{volume}/folder")
    with pytest.raises(DatabricksError, match="is a file"):
        w.files.create_directory(f"{volume}/file")
    with pytest.raises(DatabricksError, match="is a file"):
        w.files.upload(f"{volume}/file/below", io.BytesIO(b"x"))
    with pytest.raises(DatabricksError, match="is a directory"):
        w.files.upload(f"{volume}/folder", io.BytesIO(b"x"))
    with pytest.raises(DatabricksError, match="is a directory"):
        w.files.download(f"{volume}/folder")
    with pytest.raises(DatabricksError, match="is a directory"):
        w.files.upload(volume, io.BytesIO(b"x"))


def test_dbutils_reaches_volumes(w: WorkspaceClient, volume: str) -> None:
    w.dbutils.fs.put(f"{volume}/note.txt", "from a notebook", overwrite=True)
    assert w.dbutils.fs.head(f"dbfs:{volume}/note.txt") == "from a notebook"
    assert [one.name for one in w.dbutils.fs.ls(volume)] == ["note.txt"]


def test_part_of_a_file_can_be_had(live: LiveSandbox, w: WorkspaceClient, volume: str) -> None:
    w.files.upload(f"{volume}/digits", io.BytesIO(b"0123456789"))
    url, headers = f"{live.origin}/api/2.0/fs/files{volume}/digits", {"Authorization": f"Bearer {live.token}"}
    part = requests.get(url, headers=headers | {"Range": "bytes=3-5"}, timeout=10)
    assert (part.status_code, part.content, part.headers["Content-Range"]) == (206, b"345", "bytes 3-5/10")
    assert requests.get(url, headers=headers | {"Range": "bytes=99-"}, timeout=10).status_code == 416
    old = headers | {"If-Unmodified-Since": "Mon, 01 Jan 2024 00:00:00 GMT"}
    assert requests.get(url, headers=old, timeout=10).status_code == 412


def test_a_hundred_megabytes_come_and_go(w: WorkspaceClient, volume: str, tmp_path: Path) -> None:
    content = bytes(range(256)) * 4096 * 100
    w.files.upload(f"{volume}/large", io.BytesIO(content))  # large enough for an upload in parts, which falls back
    w.files.download_to(f"{volume}/large", str(tmp_path / "large"))
    assert (tmp_path / "large").read_bytes() == content


@pytest.mark.parametrize("path", ["%2e%2e/%2e%2e/state.sqlite", "a/%2e%2e/%2e%2e/%2e%2e/x", "a%00b"])
def test_no_path_leads_out(live: LiveSandbox, w: WorkspaceClient, volume: str, path: str) -> None:
    host, _, port = live.origin.removeprefix("https://").partition(":")
    context = ssl.create_default_context(cafile=str(live.ca))
    for method, status in (("GET", 400), ("PUT", 400), ("DELETE", 400)):
        connection = http.client.HTTPSConnection(host, int(port), context=context, timeout=10)
        connection.request(
            method, f"/api/2.0/fs/files{volume}/{path}", headers={"Authorization": f"Bearer {live.token}"}
        )
        answer = connection.getresponse()
        assert (answer.status, b"FILES_API_INVALID_PATH" in answer.read()) == (status, True)
        connection.close()


def test_a_symbolic_link_does_not_lead_out_either(live: LiveSandbox, w: WorkspaceClient, volume: str) -> None:
    (live.folder / "files" / volume[1:] / "link").symlink_to(live.folder)
    with pytest.raises(DatabricksError, match="leads out"):
        w.files.download(f"{volume}/link/state.sqlite")


def test_mlflow_artifacts_are_the_files_their_uri_names(live: LiveSandbox, w: WorkspaceClient) -> None:
    run = fresh("run")
    w.files.upload(
        f"/WorkspaceInternal/Mlflow/Artifacts/42/Runs/{run}/artifacts/model/MLmodel", io.BytesIO(b"flavors:")
    )
    place = live.folder / "files" / "dbfs" / "databricks" / "mlflow-tracking" / "42" / run / "artifacts"
    assert (place / "model" / "MLmodel").read_bytes() == b"flavors:"
    w.files.upload("/WorkspaceInternal/Mlflow/Artifacts/42/LoggedModels/m-1/artifacts/MLmodel", io.BytesIO(b"x"))
    assert (place.parent.parent / "logged_models" / "m-1" / "artifacts" / "MLmodel").read_bytes() == b"x"
    w.files.upload(f"/Models/main/default/{run}/1/MLmodel", io.BytesIO(b"version"))
    assert text_at(w, f"/Models/main/default/{run}/1/MLmodel") == b"version"
    with pytest.raises(DatabricksError, match="must be in a model version"):
        w.files.upload(f"/Models/main/default/{run}", io.BytesIO(b"x"))
    with pytest.raises(DatabricksError, match="Path must start with /Volumes"):
        w.files.upload("/somewhere/else", io.BytesIO(b"x"))


def test_catalogs_schemas_and_volumes(live: LiveSandbox, w: WorkspaceClient) -> None:
    catalog = fresh("catalog")
    w.catalogs.create(catalog)
    w.schemas.create("Wine", catalog)
    made = w.volumes.create(catalog, "wine", "Logs", VolumeType.MANAGED, comment="live logs")
    assert (made.full_name, made.owner, made.comment) == (
        f"{catalog}.wine.logs",
        "learner@sandbox.example",
        "live logs",
    )
    w.files.upload(f"/Volumes/{catalog.upper()}/Wine/LOGS/a", io.BytesIO(b"x"))  # names are the same in any case
    assert [one.name for one in w.volumes.list(catalog, "wine")] == ["logs"]
    assert {one.name for one in w.schemas.list(catalog)} == {"default", "wine"}
    assert {"main", catalog} <= {one.name for one in w.catalogs.list()}
    assert w.schemas.get("main.default").full_name == "main.default"
    with pytest.raises(BadRequest, match="already exists"):
        w.schemas.create("wine", catalog)
    with pytest.raises(BadRequest, match="is not empty"):
        w.schemas.delete(f"{catalog}.wine")
    w.volumes.delete(f"{catalog}.wine.logs")
    with pytest.raises(NotFound, match="Volume"):
        w.volumes.read(f"{catalog}.wine.logs")
    assert not (live.folder / "files" / "Volumes" / catalog / "wine" / "logs").exists()
    w.catalogs.delete(catalog, force=True)
    with pytest.raises(NotFound, match=f"Catalog '{catalog}' does not exist"):
        w.schemas.create("again", catalog)


def test_who_may_make_what(live: LiveSandbox, w: WorkspaceClient) -> None:
    other, name = someone(live)
    with pytest.raises(PermissionDenied, match="Only workspace admins can create catalogs"):
        other.catalogs.create(fresh("mine"))
    with pytest.raises(PermissionDenied, match="does not have CREATE SCHEMA on Catalog 'main'"):
        other.schemas.create(fresh("mine"), "main")
    volume = other.volumes.create("main", "default", fresh("mine"), VolumeType.MANAGED)
    assert volume.owner == name
    other.volumes.delete(volume.full_name or "")
    with pytest.raises(DatabricksError, match="EXTERNAL"):
        w.volumes.create("main", "default", "ext", VolumeType.EXTERNAL, storage_location="abfss://x")
