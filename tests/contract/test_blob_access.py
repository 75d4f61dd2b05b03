"""Who may reach a file in Azure Blob Storage: by the account's key, by a signed address, by an identity."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
from azure.storage.blob import (
    AccountSasPermissions,
    BlobSasPermissions,
    BlobServiceClient,
    ContainerClient,
    ContainerSasPermissions,
    ResourceTypes,
    generate_account_sas,
    generate_blob_sas,
    generate_container_sas,
)

from tests.contract.azure_fixtures import (
    Azure,
    close_clients,  # noqa: F401 (a fixture)
    closed_later,
    raw,
)
from tests.contract.blob_stories import DATA_CONTRIBUTOR, DATA_READER, LATER, Account, error_code, post

pytestmark = pytest.mark.xdist_group("blobs")


def test_an_account_tells_its_containers(account: Account, azure: Azure) -> None:
    Account(azure).container("of-another")
    for name in ("one-a", "one-b", "two"):
        account.client().create_container(name, metadata={"of": name[:3]})
    service = account.client()
    assert [one.name for one in service.list_containers()] == ["one-a", "one-b", "two"]
    found = {one.name: one.metadata for one in service.list_containers("one-", include_metadata=True)}
    assert found == {"one-a": {"of": "one"}, "one-b": {"of": "one"}}
    pages = [[one.name for one in page] for page in service.list_containers(results_per_page=2).by_page()]
    assert pages == [["one-a", "one-b"], ["two"]]
    robot = account.azure.service_principal("a robot that lists")
    account.azure.assign(account.id, robot.principal["id"], DATA_READER)
    own = closed_later(BlobServiceClient(account.url, credential=robot.azure.credential, **account.options))
    assert [one.name for one in own.list_containers()] == ["one-a", "one-b", "two"]


def test_a_wrong_key_opens_nothing(account: Account, box: ContainerClient) -> None:
    key = {"account_name": account.name, "account_key": "d3Jvbmc="}
    with pytest.raises(ClientAuthenticationError) as caught:
        list(account.client(key).get_container_client(box.container_name).list_blobs())
    assert error_code(caught.value) == "AuthenticationFailed"


def test_a_new_key_ends_what_the_old_one_signed(account: Account, box: ContainerClient) -> None:
    old = account.keys()
    signed = closed_later(BlobServiceClient(account.url, credential=sas(account, box, "rl"), **account.options))
    assert list(signed.get_container_client(box.container_name).list_blobs()) == []
    renewed = post(account.azure, f"{account.id}/regenerateKey", {"keyName": "key1"}).json()
    assert [one["value"] == was for one, was in zip(renewed["keys"], old, strict=True)] == [False, True]
    with pytest.raises(ClientAuthenticationError):
        list(signed.get_container_client(box.container_name).list_blobs())


def sas(account: Account, box: ContainerClient, permissions: str, blob: str = "", **times: Any) -> str:
    expiry = times.pop("expiry", datetime.now(UTC) + LATER)
    if blob:
        allowed: Any = BlobSasPermissions.from_string(permissions)
        key = account.keys()[0]
        return generate_blob_sas(
            account.name, box.container_name, blob, account_key=key, permission=allowed, expiry=expiry, **times
        )
    allowed = ContainerSasPermissions.from_string(permissions)
    return generate_container_sas(
        account.name, box.container_name, account_key=account.keys()[0], permission=allowed, expiry=expiry, **times
    )


def opened(account: Account, token: str, box: ContainerClient) -> ContainerClient:
    client = BlobServiceClient(account.url, credential=token, **account.options)
    return closed_later(client).get_container_client(box.container_name)


def test_a_signed_address_allows_what_it_says(account: Account, box: ContainerClient) -> None:
    box.upload_blob("one", b"content")
    reader = opened(account, sas(account, box, "r"), box)
    assert reader.download_blob("one").readall() == b"content"
    for act in (lambda: reader.upload_blob("two", b"x"), lambda: reader.delete_blob("one")):
        with pytest.raises(HttpResponseError) as caught:
            act()
        assert (caught.value.status_code, error_code(caught.value)) == (403, "AuthorizationPermissionMismatch")
    with pytest.raises(HttpResponseError):
        list(reader.list_blobs())
    creator = opened(account, sas(account, box, "c"), box)
    creator.upload_blob("new", b"x")
    with pytest.raises(HttpResponseError) as caught:
        creator.upload_blob("new", b"y", overwrite=True)
    assert error_code(caught.value) == "AuthorizationPermissionMismatch"


def test_a_blobs_address_opens_that_blob_alone(account: Account, box: ContainerClient) -> None:
    for name in ("one", "two"):
        box.upload_blob(name, name.encode())
    reader = opened(account, sas(account, box, "r", "one"), box)
    assert reader.download_blob("one").readall() == b"one"
    with pytest.raises(ClientAuthenticationError):
        reader.download_blob("two")


@pytest.mark.parametrize(("start", "end"), [(-2, -1), (1, 2)])
def test_a_signed_address_is_good_in_its_time_only(
    account: Account, box: ContainerClient, start: int, end: int
) -> None:
    now = datetime.now(UTC)
    token = sas(account, box, "rl", start=now + start * LATER, expiry=now + end * LATER)
    with pytest.raises(ClientAuthenticationError, match="Signature not valid in the specified time frame"):
        list(opened(account, token, box).list_blobs())


def test_an_accounts_signed_address_makes_containers(account: Account) -> None:
    token = generate_account_sas(
        account.name,
        account.keys()[1],
        ResourceTypes(container=True, object=True),
        AccountSasPermissions(read=True, write=True, list=True),
        datetime.now(UTC) + LATER,
    )
    made = closed_later(BlobServiceClient(account.url, credential=token, **account.options)).create_container("made")
    made.upload_blob("one", b"x")
    assert [one.name for one in made.list_blobs()] == ["one"]
    with pytest.raises(HttpResponseError):
        made.delete_blob("one")


def test_an_identity_needs_a_role_for_the_data(account: Account, box: ContainerClient) -> None:
    box.upload_blob("one", b"content")
    robot = account.azure.service_principal("a robot of blobs")
    service = closed_later(BlobServiceClient(account.url, credential=robot.azure.credential, **account.options))
    mine = service.get_container_client(box.container_name)
    with pytest.raises(HttpResponseError) as caught:
        mine.download_blob("one")
    assert error_code(caught.value) == "AuthorizationPermissionMismatch"
    account.azure.assign(account.id, robot.principal["id"], DATA_READER)
    assert mine.download_blob("one").readall() == b"content"
    with pytest.raises(HttpResponseError):
        mine.upload_blob("two", b"x")
    account.azure.assign(account.id, robot.principal["id"], DATA_CONTRIBUTOR)
    mine.upload_blob("two", b"x")
    assert [one.name for one in box.list_blobs()] == ["one", "two"]
    owners = closed_later(BlobServiceClient(account.url, credential=account.azure.credential, **account.options))
    with pytest.raises(HttpResponseError):  # an Owner's "*" opens no data
        owners.get_container_client(box.container_name).download_blob("one")


def test_who_brings_nothing_gets_nothing(account: Account, box: ContainerClient) -> None:
    version: Any = {"x-ms-version": "2023-11-03"}
    answer = raw(account.azure.live, "GET", f"/{box.container_name}/one", **version)
    assert (answer.status_code, answer.headers["x-ms-error-code"]) == (401, "NoAuthenticationInformation")
    assert answer.text().startswith('<?xml version="1.0" encoding="utf-8"?><Error><Code>NoAuthenticationInformation')


@pytest.mark.parametrize("path", ["/nothing", "/nothing/at/all", "/api/2.0/nothing?version=1"])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "POST"])
def test_other_paths_are_not_taken_for_blobs(azure: Azure, method: str, path: str) -> None:
    answer = raw(azure.live, method, path)
    assert answer.status_code == 501
    assert answer.json()["error"]["code"] == "NotImplemented"
