"""A person brings notebooks and files into the workspace, gets them out again, and cannot break its folders."""

from __future__ import annotations

import io
import json
import stat
from concurrent.futures import ThreadPoolExecutor
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
from databricks.sdk.service.workspace import ExportFormat, ImportFormat, Language, ObjectType

from mlops_tui.sandbox.api import ApiError
from mlops_tui.sandbox.workspace_files import WorkspaceFiles
from tests.contract.workspace_users import fresh, inside, learner, someone

if TYPE_CHECKING:
    from collections.abc import Iterator

    from databricks.sdk import WorkspaceClient

    from tests.conftest import LiveSandbox

pytestmark = pytest.mark.xdist_group("workspace")

SOURCE = b"# Databricks notebook source\nprint(1)\n\n# COMMAND ----------\n\n# MAGIC %md\n# MAGIC # Hello\n"


@pytest.fixture
def w(live: LiveSandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[WorkspaceClient]:
    yield from learner(live, monkeypatch)


@pytest.fixture
def folder(w: WorkspaceClient) -> str:
    path = f"/Shared/{fresh('folder')}"
    w.workspace.mkdirs(path)
    return path


def put(w: WorkspaceClient, path: str, content: bytes = SOURCE, **more: object) -> None:
    w.workspace.upload(path, io.BytesIO(content), format=ImportFormat.SOURCE, language=Language.PYTHON, **more)  # type: ignore[arg-type]  # passed on as they are


def test_a_notebook_comes_back_as_it_went_in(live: LiveSandbox, w: WorkspaceClient, folder: str) -> None:
    put(w, f"{folder}/train")
    info = w.workspace.get_status(f"{folder}/train")
    assert (info.object_type, info.language) == (ObjectType.NOTEBOOK, Language.PYTHON)
    assert info.object_id
    assert w.workspace.download(f"{folder}/train").read() == SOURCE
    on_disk = live.folder / "files" / "Workspace" / f"{folder[1:]}/train.py"
    assert on_disk.read_bytes() == SOURCE
    assert stat.S_IMODE(on_disk.stat().st_mode) == 0o600


def test_source_without_the_first_line_gets_it(w: WorkspaceClient, folder: str) -> None:
    put(w, f"{folder}/plain", b"print(1)\r\nprint(2)\r\n")
    text = w.workspace.download(f"{folder}/plain").read()
    assert text == b"# Databricks notebook source\nprint(1)\nprint(2)\n"


def test_the_json_form_of_import_and_export(w: WorkspaceClient, folder: str) -> None:
    import base64

    w.workspace.import_(f"{folder}/sql", content=base64.b64encode(b"-- Databricks notebook source\nSELECT 1").decode())
    assert w.workspace.get_status(f"{folder}/sql").language is Language.SQL  # told by its first line
    exported = w.workspace.export(f"{folder}/sql", format=ExportFormat.SOURCE)
    assert exported.file_type == "sql"
    assert base64.b64decode(exported.content or "").endswith(b"SELECT 1")
    with pytest.raises(InvalidParameterValue, match="not valid base64"):
        w.workspace.import_(f"{folder}/bad", content="%%%")


def test_overwriting_is_asked_for(w: WorkspaceClient, folder: str) -> None:
    put(w, f"{folder}/train")
    first = w.workspace.get_status(f"{folder}/train")
    with pytest.raises(ResourceAlreadyExists, match=r"Path \(.*train\) already exists"):
        put(w, f"{folder}/train", b"print(2)")
    put(w, f"{folder}/train", b"print(2)", overwrite=True)
    again = w.workspace.get_status(f"{folder}/train")
    assert again.object_id == first.object_id
    assert b"print(2)" in w.workspace.download(f"{folder}/train").read()


def test_a_file_is_not_overwritten_by_a_notebook(w: WorkspaceClient, folder: str) -> None:
    w.workspace.upload(f"{folder}/data.csv", io.BytesIO(b"a;b\n1;2\n"), format=ImportFormat.AUTO)
    assert w.workspace.get_status(f"{folder}/data.csv").object_type is ObjectType.FILE
    assert w.workspace.get_status(f"{folder}/data.csv").size == 8
    with pytest.raises(DatabricksError, match=r"type mismatch \(asked: NOTEBOOK, actual: FILE\)"):
        put(w, f"{folder}/data.csv", overwrite=True)


def test_auto_tells_notebooks_from_files(w: WorkspaceClient, folder: str) -> None:
    w.workspace.upload(f"{folder}/notebook.py", io.BytesIO(SOURCE), format=ImportFormat.AUTO)
    w.workspace.upload(f"{folder}/module.py", io.BytesIO(b"X = 1\n"), format=ImportFormat.AUTO)
    kinds = {one.path: one.object_type for one in w.workspace.list(folder)}
    assert kinds == {f"{folder}/notebook": ObjectType.NOTEBOOK, f"{folder}/module.py": ObjectType.FILE}


def test_the_notebook_x_and_the_file_x_py_do_not_share_a_place(w: WorkspaceClient, folder: str) -> None:
    w.workspace.upload(f"{folder}/same.py", io.BytesIO(b"X = 1\n"), format=ImportFormat.AUTO)
    with pytest.raises(ResourceAlreadyExists, match=r"same\.py"):
        put(w, f"{folder}/same")
    assert w.workspace.download(f"{folder}/same.py").read() == b"X = 1\n"


def test_jupyter_goes_in_and_out(w: WorkspaceClient, folder: str) -> None:
    cells = [
        {"cell_type": "markdown", "metadata": {}, "source": ["# Title\n", "text"]},
        {"cell_type": "code", "metadata": {}, "source": "%pip install x", "outputs": [], "execution_count": None},
        {"cell_type": "code", "metadata": {}, "source": ["x = 1\n", "print(x)"], "outputs": [], "execution_count": 1},
    ]
    notebook = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 4}
    content = io.BytesIO(json.dumps(notebook).encode())
    w.workspace.upload(f"{folder}/nb", content, format=ImportFormat.JUPYTER)
    source = w.workspace.download(f"{folder}/nb").read().decode()
    assert source.startswith("# Databricks notebook source\n# MAGIC %md\n# MAGIC # Title\n")
    assert "# COMMAND ----------\n\n# MAGIC %pip install x\n" in source
    back = json.loads(w.workspace.download(f"{folder}/nb", format=ExportFormat.JUPYTER).read())
    assert [cell["cell_type"] for cell in back["cells"]] == ["markdown", "code", "code"]
    assert [cell["source"] for cell in back["cells"]] == ["# Title\ntext", "%pip install x", "x = 1\nprint(x)"]
    with pytest.raises(DatabricksError, match="not a valid Jupyter notebook"):
        w.workspace.upload(f"{folder}/nb2", io.BytesIO(b"{}"), format=ImportFormat.JUPYTER)


def test_a_parent_folder_must_be_there(w: WorkspaceClient, folder: str) -> None:
    with pytest.raises(ResourceDoesNotExist, match=r"The parent folder \(/Shared/nowhere\) does not exist"):
        put(w, "/Shared/nowhere/train")
    with pytest.raises(ResourceDoesNotExist, match=r"Path \(/Shared/nowhere\) doesn't exist"):
        w.workspace.get_status("/Shared/nowhere")


def test_what_is_too_large_or_in_no_language_is_refused(w: WorkspaceClient, folder: str) -> None:
    with pytest.raises(DatabricksError, match="exceeded max size") as large:
        put(w, f"{folder}/large", b"#" * (10 * 1024 * 1024 + 1))
    assert large.value.error_code == "MAX_NOTEBOOK_SIZE_EXCEEDED"
    with pytest.raises(DatabricksError, match="language is required"):
        w.workspace.upload(f"{folder}/which", io.BytesIO(b"1"), format=ImportFormat.SOURCE)
    with pytest.raises(DatabricksError, match="HTML is not supported"):
        w.workspace.upload(f"{folder}/page", io.BytesIO(b"<html>"), format=ImportFormat.HTML)


def test_folders_are_listed_and_deleted(live: LiveSandbox, w: WorkspaceClient, folder: str) -> None:
    w.workspace.mkdirs(f"{folder}/a/b")
    w.workspace.mkdirs(f"{folder}/a/b")  # again is no error
    put(w, f"{folder}/a/b/deep")
    put(w, f"{folder}/top")
    assert [one.path for one in w.workspace.list(folder)] == [f"{folder}/a", f"{folder}/top"]
    assert {one.path for one in w.workspace.list(folder, recursive=True)} == {f"{folder}/a/b/deep", f"{folder}/top"}
    with pytest.raises(BadRequest, match="is not empty") as full:
        w.workspace.delete(f"{folder}/a")
    assert full.value.error_code == "DIRECTORY_NOT_EMPTY"
    w.workspace.delete(f"{folder}/a", recursive=True)
    assert [one.path for one in w.workspace.list(folder)] == [f"{folder}/top"]
    assert not (live.folder / "files" / "Workspace" / folder[1:] / "a").exists()
    with pytest.raises(ResourceAlreadyExists, match="already exists and it is not a folder"):
        w.workspace.mkdirs(f"{folder}/top/below")


@pytest.mark.parametrize("path", ["/", "/Users", "/Shared", "/Repos", "/Users/learner@sandbox.example"])
def test_the_workspaces_own_folders_stay(w: WorkspaceClient, path: str) -> None:
    with pytest.raises(BadRequest, match="is protected") as refused:
        w.workspace.delete(path, recursive=True)
    assert refused.value.error_code == "DIRECTORY_PROTECTED"
    assert w.workspace.get_status(path).object_type is ObjectType.DIRECTORY


def test_nobody_makes_a_home_by_hand(w: WorkspaceClient) -> None:
    with pytest.raises(BadRequest, match="Folder Users is protected"):
        w.workspace.mkdirs("/Users/not-a-member/project")


def test_workspace_is_another_name_for_the_root(w: WorkspaceClient, folder: str) -> None:
    put(w, f"/Workspace{folder}/train")
    assert w.workspace.get_status(f"/Workspace{folder}/train").path == f"{folder}/train"


@pytest.mark.parametrize("path", ["relative", "/Shared/../../etc", "/Shared/a\0b"])
def test_a_path_cannot_leave_the_workspace(w: WorkspaceClient, path: str) -> None:
    with pytest.raises(DatabricksError) as refused:
        put(w, path)
    assert "Path" in str(refused.value)


def test_others_see_and_change_what_they_may(live: LiveSandbox, w: WorkspaceClient, folder: str) -> None:
    other, name = someone(live)
    put(w, f"{folder}/ours")  # everybody manages /Shared
    put(other, f"{folder}/ours", b"print('other')", overwrite=True)
    put(other, f"/Users/{name}/mine")
    put(w, "/Users/learner@sandbox.example/private", overwrite=True)
    with pytest.raises(PermissionDenied, match=f"{name} does not have View permissions"):
        other.workspace.download("/Users/learner@sandbox.example/private")
    with pytest.raises(PermissionDenied, match="does not have Manage permissions on /Users/learner"):
        put(other, "/Users/learner@sandbox.example/intruder")
    homes = [one.path for one in other.workspace.list("/Users")]
    assert homes == [f"/Users/{name}"]


def test_runs_find_a_notebook_on_disk(live: LiveSandbox, w: WorkspaceClient, folder: str) -> None:
    put(w, f"{folder}/train")
    with inside(live) as sandbox:
        files = sandbox.find(WorkspaceFiles)
        assert files.local_path(f"/Workspace{folder}/train").read_bytes() == SOURCE
        with pytest.raises(ApiError, match="RESOURCE_DOES_NOT_EXIST"):
            files.local_path(f"{folder}/missing")


def test_the_command_line_brings_in_single_files(live: LiveSandbox, w: WorkspaceClient, folder: str) -> None:
    path = f"/api/2.0/workspace-files/import-file{folder}/module.py"
    w.api_client.do("POST", path, query={"overwrite": "false"}, data=b"X = 1", headers={"Content-Type": "text/plain"})
    assert w.workspace.download(f"{folder}/module.py").read() == b"X = 1"


def test_two_who_write_at_once_make_one_object(w: WorkspaceClient, folder: str) -> None:
    def write(number: int) -> None:
        w.workspace.mkdirs(f"{folder}/a/b/c")
        put(w, f"{folder}/a/b/c/n", f"print({number})".encode(), overwrite=True)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(24)))
    objects = [one.object_id for one in w.workspace.list(f"{folder}/a/b/c")]
    assert len(objects) == 1
    assert w.workspace.download(f"{folder}/a/b/c/n").read().startswith(b"# Databricks notebook source\nprint(")
