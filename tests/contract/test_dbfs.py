"""A person, and a notebook, keep files in the workspace's own file system; no path leads out of it."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

import pytest
from databricks.sdk.errors import (
    BadRequest,
    InvalidParameterValue,
    PermissionDenied,
    ResourceAlreadyExists,
    ResourceDoesNotExist,
)
from databricks.sdk.errors.base import DatabricksError

from tests.contract.workspace_users import fresh, learner, someone

if TYPE_CHECKING:
    from collections.abc import Iterator

    from databricks.sdk import WorkspaceClient

    from tests.conftest import LiveSandbox

pytestmark = pytest.mark.xdist_group("workspace")


@pytest.fixture
def w(live: LiveSandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[WorkspaceClient]:
    yield from learner(live, monkeypatch)


@pytest.fixture
def folder(w: WorkspaceClient) -> str:
    path = f"/tmp/{fresh('dbfs')}"
    w.dbfs.mkdirs(path)
    return path


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


def test_a_large_file_is_streamed_up_and_read_back(live: LiveSandbox, w: WorkspaceClient, folder: str) -> None:
    content = bytes(range(256)) * 12_000  # three blocks of at most 1 MB
    w.dbfs.upload(f"{folder}/large.bin", io.BytesIO(content))
    assert w.dbfs.get_status(f"{folder}/large.bin").file_size == len(content)
    with w.dbfs.download(f"{folder}/large.bin") as stream:
        assert stream.read() == content
    assert (live.folder / "files" / "dbfs" / folder[1:] / "large.bin").read_bytes() == content


@pytest.mark.parametrize("part", ["contents", "file"])  # as in the reference; as the legacy Databricks CLI has it
def test_a_form_brings_a_whole_file(live: LiveSandbox, w: WorkspaceClient, folder: str, part: str) -> None:
    import requests

    url, headers = f"{live.origin}/api/2.0/dbfs/put", {"Authorization": f"Bearer {live.token}"}
    content = b"print(1)\n" * 200_000  # more than JSON may bring
    fields = {"path": f"dbfs:{folder}/nb.py", "overwrite": "true"}
    files = {part: ("nb.py", content, "multipart/form-data")}
    assert requests.post(url, data=fields, files=files, headers=headers, timeout=20).status_code == 200
    with w.dbfs.download(f"{folder}/nb.py") as stream:
        assert stream.read() == content
    without = requests.post(url, files={"path": (None, f"{folder}/empty")}, headers=headers, timeout=20)
    assert without.json()["message"] == "The form has no file in it."


def test_nobody_sees_a_file_before_it_is_closed(w: WorkspaceClient, folder: str) -> None:
    handle = w.dbfs.create(f"dbfs:{folder}/slow").handle
    assert handle
    w.dbfs.add_block(handle, encoded(b"first"))
    assert list(w.dbfs.list(folder)) == []
    w.dbfs.add_block(handle, encoded(b" second"))
    w.dbfs.close(handle)
    with w.dbfs.download(f"{folder}/slow") as stream:
        assert stream.read() == b"first second"
    with pytest.raises(ResourceDoesNotExist, match="Handle"):
        w.dbfs.add_block(handle, encoded(b"late"))


def test_a_stream_is_its_openers_alone(live: LiveSandbox, w: WorkspaceClient, folder: str) -> None:
    other, _ = someone(live)
    handle = w.dbfs.create(f"{folder}/mine").handle
    assert handle
    with pytest.raises(ResourceDoesNotExist):
        other.dbfs.add_block(handle, encoded(b"intruder"))


def test_small_files_go_in_one_call(w: WorkspaceClient, folder: str) -> None:
    w.dbfs.put(f"{folder}/a.txt", contents=encoded(b"one"))
    with pytest.raises(ResourceAlreadyExists, match="already exists at the input path"):
        w.dbfs.put(f"{folder}/a.txt", contents=encoded(b"two"))
    w.dbfs.put(f"{folder}/a.txt", contents=encoded(b"two"), overwrite=True)
    answer = w.dbfs.read(f"{folder}/a.txt", offset=1, length=10)
    assert (answer.bytes_read, base64.b64decode(answer.data or "")) == (2, b"wo")
    with pytest.raises(DatabricksError, match="exceeds the limit") as large:
        w.dbfs.put(f"{folder}/b", contents=encoded(b"x" * (1024 * 1024 + 1)))
    assert large.value.error_code == "MAX_BLOCK_SIZE_EXCEEDED"


def test_mlflows_artifacts_are_reached_by_other_apis_only(live: LiveSandbox, w: WorkspaceClient, folder: str) -> None:
    kept = live.folder / "files" / "dbfs" / "databricks" / "mlflow-tracking" / fresh("artifact")
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_bytes(b"model")
    path = f"dbfs:/databricks/mlflow-tracking/{kept.name}"
    for forbidden in (
        lambda: w.dbfs.read(path),
        lambda: w.dbfs.put(path, contents=encoded(b"planted"), overwrite=True),
        lambda: w.dbfs.delete(path),
        lambda: w.dbfs.delete("dbfs:/databricks", recursive=True),
        lambda: w.dbfs.move("dbfs:/databricks", f"{folder}/mine"),
    ):
        with pytest.raises(PermissionDenied, match="No operations allowed on this path"):
            forbidden()
    assert kept.read_bytes() == b"model"
    kept.unlink()


def test_reading_has_limits(w: WorkspaceClient, folder: str) -> None:
    w.dbfs.put(f"{folder}/a.txt", contents=encoded(b"one"))
    assert w.dbfs.read(f"{folder}/a.txt", offset=99).bytes_read == 0
    with pytest.raises(DatabricksError, match="exceeds the limit") as much:
        w.dbfs.read(f"{folder}/a.txt", length=1024 * 1024 + 1)
    assert much.value.error_code == "MAX_READ_SIZE_EXCEEDED"
    for path, offset in ((f"{folder}/a.txt", -1), (folder, 0)):
        with pytest.raises(InvalidParameterValue):
            w.dbfs.read(path, offset=offset)
    with pytest.raises(ResourceDoesNotExist, match=f"No file or directory exists on path {folder}/no."):
        w.dbfs.read(f"{folder}/no")


def test_folders_are_listed_moved_and_deleted(w: WorkspaceClient, folder: str) -> None:
    w.dbfs.put(f"{folder}/in/a.txt", contents=encoded(b"one"))
    assert [(one.path, one.is_dir) for one in w.dbfs.list(folder)] == [(f"{folder}/in", True)]
    assert [one.path for one in w.dbfs.list(f"{folder}/in/a.txt")] == [f"{folder}/in/a.txt"]
    w.dbfs.move(f"{folder}/in", f"{folder}/out")
    assert w.dbfs.exists(f"{folder}/out/a.txt")
    assert not w.dbfs.exists(f"{folder}/in")
    with pytest.raises(ResourceAlreadyExists):
        w.dbfs.move(f"{folder}/out/a.txt", f"{folder}/out/a.txt")
    with pytest.raises(BadRequest, match="not empty") as full:
        w.api_client.do("POST", "/api/2.0/dbfs/delete", body={"path": f"{folder}/out"})
    assert full.value.error_code == "IO_ERROR"
    w.dbfs.delete(f"{folder}/out", recursive=True)
    w.dbfs.delete(f"{folder}/out", recursive=True)  # what is gone is no error, as on the platform
    with pytest.raises(ResourceDoesNotExist):
        list(w.dbfs.list(f"{folder}/out"))


def test_a_file_is_no_folder(w: WorkspaceClient, folder: str) -> None:
    w.dbfs.put(f"{folder}/file", contents=encoded(b"one"))
    with pytest.raises(ResourceAlreadyExists):
        w.dbfs.mkdirs(f"{folder}/file/below")
    with pytest.raises(ResourceAlreadyExists):
        w.dbfs.put(f"{folder}/file/below", contents=encoded(b"two"))
    with pytest.raises(ResourceAlreadyExists):
        w.dbfs.put(folder, contents=encoded(b"two"), overwrite=True)


def test_datasets_are_there_to_be_read(live: LiveSandbox, w: WorkspaceClient) -> None:
    table = live.folder / "files" / "databricks-datasets" / "practice" / "table.csv"
    table.parent.mkdir(parents=True, exist_ok=True)
    table.write_text("a;b\n1;2\n")
    with w.dbfs.download("/databricks-datasets/practice/table.csv") as stream:
        assert stream.read() == b"a;b\n1;2\n"
    assert "/databricks-datasets" in [one.path for one in w.dbfs.list("/")]
    with pytest.raises(PermissionDenied, match="read-only"):
        w.dbfs.put("/databricks-datasets/practice/mine", contents=encoded(b"x"))


@pytest.mark.parametrize("path", ["/../state.sqlite", "/a/../../../etc/passwd", "relative", "/a\0b"])
def test_no_path_leads_out(w: WorkspaceClient, path: str) -> None:
    with pytest.raises(InvalidParameterValue, match="Path"):
        w.dbfs.get_status(path)
    with pytest.raises(InvalidParameterValue, match="Path"):
        w.dbfs.put(path, contents=encoded(b"x"), overwrite=True)


def test_a_symbolic_link_does_not_lead_out_either(live: LiveSandbox, w: WorkspaceClient, folder: str) -> None:
    (live.folder / "files" / "dbfs" / folder[1:] / "link").symlink_to(live.folder)  # as a notebook could make it
    with pytest.raises(InvalidParameterValue, match="leads out"):
        w.dbfs.read(f"{folder}/link/state.sqlite")
    with pytest.raises(InvalidParameterValue, match="leads out"):
        w.dbfs.put(f"{folder}/link/planted", contents=encoded(b"x"))
    w.dbfs.delete(folder, recursive=True)
    assert (live.folder / "state.sqlite").exists()


@pytest.mark.parametrize("path", ["/Volumes/main/default/v/x", "/Workspace/Shared/x"])
def test_what_other_apis_keep_is_not_reached_here(w: WorkspaceClient, path: str) -> None:
    with pytest.raises(PermissionDenied, match="No operations allowed on this path"):
        w.api_client.do("GET", "/api/2.0/dbfs/get-status", query={"path": path})
