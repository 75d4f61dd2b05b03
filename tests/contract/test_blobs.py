"""A program keeps files in Azure Blob Storage, and finds them again as they were."""

from __future__ import annotations

import os
import stat
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import (
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.storage.blob import (
    BlobBlock,
    BlobClient,
    ContainerClient,
    ContentSettings,
)

from mlops_tui.sandbox.blob_store import BlobStore
from mlops_tui.sandbox.sandbox import Sandbox
from tests.contract.azure_fixtures import (
    Azure,
    close_clients,  # noqa: F401 (a fixture)
    code_of,
    raw,
)

if TYPE_CHECKING:
    from tests.conftest import LiveSandbox
from tests.contract.blob_stories import TYPE, VERSION, Account, error_code, make, post

pytestmark = pytest.mark.xdist_group("blobs")


def test_a_file_comes_back_as_it_was(box: ContainerClient) -> None:
    content = os.urandom(3_000_000)
    kind = ContentSettings(content_type="text/plain", cache_control="no-cache")
    box.upload_blob("a/b ü~%.txt", content, metadata={"made": "by test"}, content_settings=kind)
    got = box.download_blob("a/b ü~%.txt")
    assert got.readall() == content
    assert got.properties.metadata == {"made": "by test"}
    assert (got.properties.content_settings.content_type, got.properties.size) == ("text/plain", len(content))
    assert box.download_blob("a/b ü~%.txt", offset=1000, length=50).readall() == content[1000:1050]
    assert box.download_blob("a/b ü~%.txt", offset=len(content) - 5).readall() == content[-5:]
    assert box.get_blob_client("a/b ü~%.txt").get_blob_properties().content_settings.cache_control == "no-cache"


def test_an_empty_file_and_a_range_beyond_the_end(box: ContainerClient) -> None:
    box.upload_blob("empty", b"")
    assert box.download_blob("empty").readall() == b""
    with pytest.raises(HttpResponseError) as caught:
        box.download_blob("empty", offset=10, length=5)
    assert (caught.value.status_code, error_code(caught.value)) == (416, "InvalidRange")


def test_what_is_there_is_replaced_only_if_asked(box: ContainerClient) -> None:
    first = box.upload_blob("one", b"first")
    with pytest.raises(ResourceExistsError) as caught:
        box.upload_blob("one", b"second")
    assert error_code(caught.value) == "BlobAlreadyExists"
    etag = first.get_blob_properties().etag
    box.upload_blob("one", b"second", overwrite=True)
    assert first.download_blob().readall() == b"second"
    with pytest.raises(ResourceModifiedError) as modified:
        box.upload_blob("one", b"third", overwrite=True, etag=etag, match_condition=MatchConditions.IfNotModified)
    assert error_code(modified.value) == "ConditionNotMet"
    assert first.download_blob().readall() == b"second"


def test_a_large_file_is_sent_in_blocks(account: Account) -> None:
    account.container("big")
    content = os.urandom(1_000_000)
    options: dict[str, Any] = {"max_single_put_size": 200_000, "max_block_size": 150_000}
    with BlobClient(
        account.url, "big", "in/blocks", credential=account.credential(), **account.options, **options
    ) as blob:
        blob.upload_blob(content, validate_content=True, max_concurrency=4)  # as azure-ai-ml does it
        assert blob.download_blob(validate_content=True).readall() == content
        blob.stage_block("YWFh", b"never committed")
        with pytest.raises(HttpResponseError) as caught:
            blob.commit_block_list([BlobBlock("YmJi")])
        assert error_code(caught.value) == "InvalidBlockList"
        assert blob.download_blob().readall() == content


def test_a_list_of_blocks_can_be_sent_again(box: ContainerClient) -> None:
    """Its first answer may have been lost; and a blob may keep some of its blocks."""
    blob = box.get_blob_client("blocks")
    for number, content in enumerate((b"one ", b"two ", b"three")):
        blob.stage_block(f"{number}" * 4, content)
    names = [BlobBlock(f"{number}" * 4) for number in range(3)]
    for _ in range(2):
        blob.commit_block_list(names, validate_content=True)
        assert blob.download_blob().readall() == b"one two three"
    blob.stage_block("9999", b"and ")
    blob.commit_block_list([names[0], BlobBlock("9999"), names[2], names[2]])
    assert blob.download_blob().readall() == b"one and threethree"
    with pytest.raises(HttpResponseError) as caught:
        blob.commit_block_list([names[1]])
    assert error_code(caught.value) == "InvalidBlockList"


def test_ordered_faults_speak_as_azure_storage_does(account: Account, live: LiveSandbox) -> None:
    box = account.container("faulty-one")
    order(live, {"path": "/faulty-one/one", "method": "PUT", "status": 503})
    with pytest.raises(HttpResponseError) as caught:
        box.upload_blob("one", b"content")
    assert (caught.value.status_code, error_code(caught.value)) == (503, "ServerBusy")
    order(live, {"path": "/faulty-one/one", "method": "PUT", "drop": True})
    with pytest.raises((ServiceRequestError, ServiceResponseError)):
        box.upload_blob("one", b"content")
    with pytest.raises(ResourceExistsError):  # it had been done
        box.upload_blob("one", b"content")


def order(live: LiveSandbox, fault: dict[str, Any]) -> None:
    assert raw(live, "POST", "/_sandbox/faults", json=fault).status_code == 201


def test_metadata_are_changed_alone(box: ContainerClient) -> None:
    blob = box.upload_blob("one", b"content", metadata={"a": "1"})
    blob.set_blob_metadata({"b": "2"})
    assert (blob.get_blob_properties().metadata, blob.download_blob().readall()) == ({"b": "2"}, b"content")
    blob.set_http_headers(ContentSettings(content_type="text/csv"))
    assert blob.get_blob_properties().content_settings.content_type == "text/csv"
    assert blob.get_blob_properties().metadata == {"b": "2"}


def test_a_container_is_listed_by_prefix_folder_and_page(box: ContainerClient) -> None:
    names = ["a/1", "a/2", "a/b/3", "b", "c & <d>/é"]
    for name in names:
        box.upload_blob(name, b"x", metadata={"of": name.split("/")[0].encode("ascii", "ignore").decode().strip("& <")})
    assert [one.name for one in box.list_blobs()] == names
    assert [one.name for one in box.list_blobs(name_starts_with="a/")] == names[:3]
    assert {one.name for one in box.walk_blobs()} == {"a/", "b", "c & <d>/"}
    assert {one.name for one in box.walk_blobs("a/")} == {"a/1", "a/2", "a/b/"}
    assert {one.name: one.metadata for one in box.list_blobs(include=["metadata"])}["b"] == {"of": "b"}
    pages = [[one.name for one in page] for page in box.list_blobs(results_per_page=2).by_page()]
    assert pages == [names[:2], names[2:4], names[4:]]
    folders = [[one.name for one in page] for page in box.walk_blobs(results_per_page=2).by_page()]
    assert folders == [["a/", "b"], ["c & <d>/"]]


def test_what_is_not_there_is_told_apart(box: ContainerClient, account: Account) -> None:
    with pytest.raises(ResourceNotFoundError) as caught:
        box.get_blob_client("nothing").get_blob_properties()
    assert error_code(caught.value) == "BlobNotFound"
    with pytest.raises(ResourceNotFoundError) as caught:
        account.client().get_blob_client("nowhere", "nothing").download_blob()
    assert error_code(caught.value) == "ContainerNotFound"
    assert box.get_blob_client("nothing").exists() is False
    box.upload_blob("one", b"x").delete_blob()
    assert [one.name for one in box.list_blobs()] == []
    with pytest.raises(ResourceExistsError):
        account.container(box.container_name)
    box.delete_container()
    assert box.exists() is False
    assert list(account.container(box.container_name).list_blobs()) == []


@pytest.mark.parametrize("name", ["Data", "a", "two--dashes", "under_score"])
def test_a_container_has_a_name_that_azure_allows(account: Account, name: str) -> None:
    with pytest.raises(HttpResponseError) as caught:
        account.container(name)
    assert (caught.value.status_code, error_code(caught.value)) == (400, "InvalidResourceName")


@pytest.mark.parametrize("name", ["jobs", "api", "compute"])
def test_a_container_cannot_hide_behind_the_sandboxs_own_paths(account: Account, name: str) -> None:
    with pytest.raises(HttpResponseError, match="The sandbox cannot have a container") as caught:
        account.container(name)
    assert caught.value.status_code == 400


def test_what_is_not_there_yet_is_said_loudly(box: ContainerClient) -> None:
    blob = box.upload_blob("one", b"x")
    with pytest.raises(HttpResponseError, match="The sandbox does not have") as caught:
        blob.create_snapshot()
    assert caught.value.status_code == 501
    with pytest.raises(HttpResponseError) as caught:
        blob.start_copy_from_url(blob.url)
    assert caught.value.status_code == 501


def test_files_are_for_their_owner_alone_and_go_with_the_account(
    account: Account, box: ContainerClient, live: LiveSandbox
) -> None:
    mark = uuid.uuid4().bytes
    box.upload_blob("secret", mark)

    def holding() -> list[Any]:
        files = [place for place in (live.folder / "blobs").rglob("*") if place.is_file()]
        return [place for place in files if place.read_bytes() == mark]

    (file,) = holding()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    account.azure.resources.resources.begin_delete_by_id(account.id, api_version=VERSION).result(timeout=20)
    assert holding() == []


def test_what_a_killed_writer_leaves_is_swept_away(live: LiveSandbox, tmp_path: Any) -> None:
    sandbox = Sandbox(tmp_path, live.origin)
    try:
        store = BlobStore(sandbox)
        store.make_account("kept0")
        kept = store.write("kept0", "box", "one", b"kept")
        store.stage("kept0", "box", "two", "YWFh", b"a block")
        (tmp_path / "blobs" / "ab").mkdir(exist_ok=True)
        (tmp_path / "blobs" / "ab" / "abandoned").write_bytes(b"half of")
        store.sweep()
        left = sorted(one.read_bytes() for one in (tmp_path / "blobs").rglob("*") if one.is_file())
        assert left == [b"a block", b"kept"]
        assert store.read(kept) == b"kept"
    finally:
        sandbox.requests.close()
        sandbox.store.close()


def test_accounts_are_named_as_azure_wants_and_once(azure: Azure, account: Account) -> None:
    root = f"{azure.root}/resourceGroups/{azure.group()}/providers/{TYPE}"
    for name, code in (("Upper", "AccountNameInvalid"), ("ab", "AccountNameInvalid"), (account.name, "taken")):
        with pytest.raises(HttpResponseError) as caught:
            make(azure, f"{root}/{name}")
        assert code_of(caught.value) == (code if code != "taken" else "StorageAccountAlreadyTaken")
    check = f"{azure.root}/providers/Microsoft.Storage/checkNameAvailability"
    assert post(azure, check, {"name": account.name, "type": TYPE}).json()["reason"] == "AlreadyExists"
    assert post(azure, check, {"name": "free123", "type": TYPE}).json() == {"nameAvailable": True}


def test_other_services_keep_files_here_too(live: LiveSandbox) -> None:
    """As the container registry does: it signs an address for an upload, and writes a log that grows."""
    sandbox = Sandbox(live.folder, live.origin)
    try:
        store = BlobStore(sandbox)
        store.make_account("hidden0")
        store.make_container("hidden0", "source")
        target = store.sas_url("hidden0", "source", "context.tar.gz", "cw", 10)
        with BlobClient.from_blob_url(target, connection_verify=str(live.ca)) as blob:
            blob.upload_blob(b"a tar file")
        found = store.find("hidden0", "source", "context.tar.gz")
        assert found is not None
        assert store.read(found) == b"a tar file"
        for line in ("one\n", "two\n"):
            store.append("hidden0", "source", "log.txt", line.encode())
        store.change("hidden0", "source", "log.txt", "metadata", {"complete": "successful"})
        log = store.sas_url("hidden0", "source", "log.txt", "r", 10)
        with BlobClient.from_blob_url(log, connection_verify=str(live.ca)) as blob:
            assert blob.download_blob(offset=4).readall() == b"two\n"
            assert blob.get_blob_properties().metadata == {"complete": "successful"}
    finally:
        sandbox.requests.close()
        sandbox.store.close()
