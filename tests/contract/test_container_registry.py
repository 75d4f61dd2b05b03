"""A person keeps images in a container registry: who may see, pull and delete them, and what clients are told."""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
from base64 import b64encode
from typing import TYPE_CHECKING, Any

import pytest

from mlops_tui.sandbox.images import Images
from tests.contract.azure_fixtures import (
    CONTRIBUTOR,
    OPEN,
    READER,
    close_clients,  # noqa: F401 (a fixture)
)
from tests.contract.registry_stories import (
    SOURCE,
    VERSION,
    Builds,
    Visitor,
    images_in,
    own_registry,
    post,
    registry_owner,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from tests.conftest import LiveSandbox

pytestmark = pytest.mark.xdist_group("registry")
ACR_PULL = "7f951dda-4ed3-4680-a7ca-43fe172d538d"


def error(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["errors"][0]["code"]


def stock(live: LiveSandbox) -> Builds:
    """A registry with two images of one repository; the second has two tags."""
    builds = own_registry(live, adminUserEnabled=True)
    for tags, text in ((("1",), "one"), (("2", "latest"), "two")):
        run = builds.build(SOURCE | {"model/weights.txt": text}, *(f"team/wine:{tag}" for tag in tags))
        assert run.status == "Succeeded", builds.log(run.run_id)
    return builds


@pytest.fixture(scope="module")
def kept_registry(live: LiveSandbox) -> Any:
    """The stocked registry of all stories that change nothing in it."""
    registry = stock(live).registry
    while OPEN:
        OPEN.pop().close()
    return registry


@pytest.fixture
def stocked(live: LiveSandbox, kept_registry: Any) -> Builds:
    return Builds(registry_owner(live), kept_registry)


def test_images_are_pulled_as_the_challenge_tells(stocked: Builds) -> None:
    visitor = Visitor(stocked, stocked.azure)
    told = visitor.challenge(f"{visitor.root}/v2/")
    assert told == {"realm": f"{stocked.azure.live.origin}/oauth2/token", "service": stocked.login_server}
    manifest = visitor.call("GET", "/v2/team/wine/manifests/2")
    assert manifest.headers["Content-Type"] == "application/vnd.oci.image.manifest.v1+json"
    digest = f"sha256:{hashlib.sha256(manifest.content).hexdigest()}"
    assert manifest.headers["Docker-Content-Digest"] == digest
    assert visitor.call("HEAD", f"/v2/team/wine/manifests/{digest}").headers["Docker-Content-Digest"] == digest
    at_host = visitor.call("GET", f"/v2/{stocked.registry.name}/team/wine/manifests/latest", stocked.azure.live.origin)
    assert at_host.content == manifest.content
    config = visitor.call("GET", f"/v2/team/wine/blobs/{manifest.json()['config']['digest']}").json()
    assert config["config"]["Cmd"] == ["uvicorn", "serve:app"]
    assert config["config"]["ExposedPorts"] == {"5001/tcp": {}}
    layer = manifest.json()["layers"][0]
    data = visitor.call("GET", f"/v2/team/wine/blobs/{layer['digest']}").content
    assert (len(data), f"sha256:{hashlib.sha256(data).hexdigest()}") == (layer["size"], layer["digest"])
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        assert {"app/serve.py", "app/model/weights.txt", "app/requirements.txt"} <= set(tar.getnames())
    assert error(visitor.call("GET", "/v2/team/wine/manifests/3")) == (404, "MANIFEST_UNKNOWN")
    assert error(visitor.call("GET", f"/v2/team/wine/blobs/sha256:{'0' * 64}")) == (404, "BLOB_UNKNOWN")
    assert error(visitor.call("GET", "/v2/team/beer/tags/list")) == (404, "NAME_UNKNOWN")


def test_a_client_that_keeps_no_path_finds_the_registry_by_its_scope(stocked: Builds) -> None:
    """As OCI clients do with localhost:PORT/NAME/team/wine:2: their host is all before the first slash."""
    visitor, origin, name = Visitor(stocked, stocked.azure), stocked.azure.live.origin, stocked.registry.name
    told = visitor.challenge(f"{origin}/v2/")
    assert told["service"] == origin.removeprefix("https://")
    password = post(stocked, "listCredentials").json()["passwords"][0]["value"]
    asked = {"service": told["service"], "scope": f"repository:{name}/team/wine:pull"}
    granted = visitor.client.get(told["realm"], params=asked, auth=(name, password))
    headers = {"Authorization": f"Bearer {granted.json()['access_token']}"}
    place = f"{origin}/v2/{name}/team/wine"
    assert visitor.client.get(f"{place}/tags/list", headers=headers).json()["tags"] == ["1", "2", "latest"]
    assert visitor.client.get(f"{place}/manifests/2", headers=headers).status_code == 200
    assert visitor.client.delete(f"{place}/manifests/2", headers=headers).status_code == 401


def test_what_is_used_of_the_limits_is_told(stocked: Builds) -> None:
    token = stocked.azure.credential.get_token(f"{stocked.azure.live.origin}/.default").token
    url = f"{stocked.azure.live.origin}{stocked.registry.id}/listUsages?api-version={VERSION}"
    size, webhooks = stocked.http().get(url, headers={"Authorization": f"Bearer {token}"}).json()["value"]
    manifests = Visitor(stocked, stocked.azure).call("GET", "/acr/v1/team/wine/_manifests").json()["manifests"]
    assert (size["currentValue"], size["limit"]) == (sum(one["imageSize"] for one in manifests), 10 * 1024**3)
    assert (webhooks["name"], webhooks["currentValue"]) == ("Webhooks", 0)


def test_azure_shows_repositories_tags_and_manifests(stocked: Builds) -> None:
    visitor = Visitor(stocked, stocked.azure)
    assert visitor.call("GET", "/acr/v1/_catalog").json() == {"repositories": ["team/wine"]}
    assert visitor.call("GET", "/v2/_catalog").json() == {"repositories": ["team/wine"]}
    assert visitor.call("GET", "/v2/team/wine/tags/list").json() == {"name": "team/wine", "tags": ["1", "2", "latest"]}
    facts = visitor.call("GET", "/acr/v1/team/wine").json()
    assert (facts["manifestCount"], facts["tagCount"], facts["imageName"]) == (2, 3, "team/wine")
    tags = {one["name"]: one["digest"] for one in visitor.call("GET", "/acr/v1/team/wine/_tags").json()["tags"]}
    assert (len(set(tags.values())), tags["2"]) == (2, tags["latest"])
    manifests = visitor.call("GET", "/acr/v1/team/wine/_manifests?orderby=timedesc").json()["manifests"]
    assert [one["tags"] for one in manifests] == [["2", "latest"], ["1"]]
    one = visitor.call("GET", f"/acr/v1/team/wine/_manifests/{tags['1']}").json()["manifest"]
    assert one == manifests[1]
    first = visitor.call("GET", "/acr/v1/team/wine/_tags?n=2")
    assert [tag["name"] for tag in first.json()["tags"]] == ["1", "2"]
    following = re.findall(r"<[^?]*\?(.*)>", first.headers["Link"])[0]
    rest = visitor.call("GET", f"/acr/v1/team/wine/_tags?{following}")
    assert ([tag["name"] for tag in rest.json()["tags"]], rest.headers.get("Link")) == (["latest"], None)


def test_who_may_pull_is_decided_by_roles_and_credentials(live: LiveSandbox, stocked: Builds) -> None:
    puller = stocked.azure.service_principal("puller")
    app_id = puller.application["appId"]
    path = "/v2/team/wine/manifests/1"
    assert error(Visitor(stocked, puller.azure).call("GET", path)) == (401, "UNAUTHORIZED")
    assert error(Visitor(stocked, basic=(app_id, puller.secret)).call("GET", path)) == (401, "UNAUTHORIZED")
    stocked.azure.assign(stocked.registry.id, puller.principal["id"], ACR_PULL)
    assert Visitor(stocked, puller.azure).call("GET", path).status_code == 200
    assert Visitor(stocked, basic=(app_id, puller.secret)).call("GET", path).status_code == 200
    assert Visitor(stocked, puller.azure).call("DELETE", path).status_code == 401
    assert error(Visitor(stocked, basic=(app_id, "wrong")).call("GET", path)) == (401, "UNAUTHORIZED")
    admin = post(stocked, "listCredentials").json()
    password = admin["passwords"][1]["value"]
    assert Visitor(stocked, basic=(admin["username"], password)).call("GET", path).status_code == 200
    at_once = b64encode(f"{admin['username']}:{password}".encode()).decode()
    headers = {"Authorization": f"Basic {at_once}"}
    assert stocked.http(headers=headers).get(f"https://{stocked.login_server}{path}").status_code == 200


def test_a_token_is_good_for_one_registry_and_what_it_was_asked_for(live: LiveSandbox, stocked: Builds) -> None:
    other = own_registry(live)
    visitor = Visitor(stocked, stocked.azure)
    told = visitor.challenge(f"{visitor.root}/v2/team/wine/manifests/1")
    assert told["scope"] == "repository:team/wine:pull"
    token = visitor.token(told["scope"], told).json()["access_token"]
    client = stocked.http(headers={"Authorization": f"Bearer {token}"})
    assert client.get(f"{visitor.root}/v2/team/wine/manifests/1").status_code == 200
    for url in (
        f"{visitor.root}/v2/team/beer/tags/list",
        f"{visitor.root}/v2/_catalog",
        f"https://{other.login_server}/v2/team/wine/manifests/1",
    ):
        assert error(client.get(url)) == (401, "UNAUTHORIZED")
    assert client.delete(f"{visitor.root}/v2/team/wine/manifests/1").status_code == 401
    management = stocked.azure.credential.get_token(f"{live.origin}/.default").token
    strange = stocked.http(headers={"Authorization": f"Bearer {management}"})
    assert error(strange.get(f"{visitor.root}/v2/team/wine/manifests/1")) == (401, "UNAUTHORIZED")


@pytest.fixture
def images(live: LiveSandbox) -> Iterator[Images]:
    yield from images_in(live)


def test_what_is_deleted_is_lost(live: LiveSandbox, images: Images) -> None:
    stocked = stock(live)
    visitor, root = Visitor(stocked, stocked.azure), stocked.login_server
    two = images.find(f"{root}/team/wine:2")
    assert two is not None
    assert (two.command, two.port) == (("uvicorn", "serve:app"), 5001)
    assert (two.folder / "model" / "weights.txt").read_text() == "two"
    assert images.find(f"{root}/team/wine@{two.digest}") == two
    assert images.find(f"{root}/team/wine") == two  # :latest
    assert visitor.call("DELETE", "/v2/team/wine/manifests/latest").status_code == 202
    assert images.find(f"{root}/team/wine:latest") is None
    assert images.find(f"{root}/team/wine:2") == two
    assert visitor.call("DELETE", f"/v2/team/wine/manifests/{two.digest}").status_code == 202
    assert images.find(f"{root}/team/wine@{two.digest}") is None
    assert not two.folder.exists()
    gone = visitor.call("DELETE", "/acr/v1/team/wine")
    assert (gone.status_code, gone.json()["tagsDeleted"]) == (202, ["1"])
    assert visitor.call("GET", "/acr/v1/_catalog").json() == {"repositories": []}


def test_with_its_registry_an_image_is_lost(live: LiveSandbox, images: Images) -> None:
    builds = own_registry(live)
    assert builds.build(SOURCE, "wine:1").status == "Succeeded"
    reference = f"{builds.login_server}/wine:1"
    kept = images.find(reference)
    assert kept is not None
    assert images.find(f"other.azurecr.io/wine@{kept.digest}") is None
    builds.azure.resources.resources.begin_delete_by_id(builds.registry.id, api_version=VERSION).result(timeout=20)
    assert images.find(reference) is None
    assert not kept.folder.exists()


def test_other_services_ask_who_may_pull(live: LiveSandbox, images: Images) -> None:
    builds = own_registry(live, adminUserEnabled=True)
    name = builds.registry.name
    puller = builds.azure.service_principal("container-puller")
    app_id = puller.application["appId"]
    assert not images.may_pull(name, app_id, puller.secret)
    builds.azure.assign(builds.registry.id, puller.principal["id"], CONTRIBUTOR)
    assert images.may_pull(name, app_id, puller.secret)
    assert images.may_pull(builds.login_server, app_id, puller.secret)
    assert not images.may_pull(name, app_id, "wrong")
    assert not images.may_pull("nothing", app_id, puller.secret)
    password = post(builds, "listCredentials").json()["passwords"][0]["value"]
    assert images.may_pull(builds.login_server, name, password)
    assert not images.may_pull(builds.login_server, name, "")
    reader = builds.azure.service_principal("reader")
    builds.azure.assign(builds.registry.id, reader.principal["id"], READER)
    assert images.may_pull(name, reader.application["appId"], reader.secret)  # */read covers pull/read
