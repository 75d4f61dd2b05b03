"""What the stories of container registries share: an owner, registries, sources to build and the builds themselves."""

from __future__ import annotations

import io
import re
import tarfile
import uuid
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import httpx
from azure.mgmt.containerregistrytasks import ContainerRegistryTasksMgmtClient
from azure.mgmt.containerregistrytasks.models import Argument, DockerBuildRequest, PlatformProperties
from azure.mgmt.resource.resources.models import GenericResource, Sku
from azure.storage.blob import BlobClient

from mlops_tui.sandbox.base_images import OWN
from mlops_tui.sandbox.images import Images
from mlops_tui.sandbox.sandbox import Sandbox
from mlops_tui.sandbox.server import load_services
from tests.contract.azure_fixtures import Azure, closed_later, owner, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import LiveSandbox

VERSION = "2023-07-01"
ENDED = ("Succeeded", "Failed", "Canceled", "Timeout")
DOCKERFILE = f"""FROM python:{OWN}-slim
WORKDIR /app
COPY requirements.txt .
RUN pip install --no-cache-dir -r requirements.txt
COPY . .
RUN python serve.py --check
ENV UVICORN_HOST=0.0.0.0 UVICORN_PORT=5001
EXPOSE 5001
USER 1000
CMD ["uvicorn", "serve:app"]
"""
SOURCE = {
    "Dockerfile": DOCKERFILE,
    "requirements.txt": "httpx>=0.20  # the newest\npackaging\n",
    "serve.py": "import sys\nprint('checked', sys.argv[1:], flush=True)\n",
    "model/weights.txt": "1 2 3\n",
}


def registry_owner(live: LiveSandbox) -> Azure:
    one = owner(live)
    one.resources.providers.register("Microsoft.ContainerRegistry")
    return one


def new_name() -> str:
    return f"acr{uuid.uuid4().hex[:12]}"


def create(azure: Azure, name: str, group: str = "", sku: str = "Basic", **properties: Any) -> Any:
    """The registry as Azure answers it, once it is ready."""
    place = (
        f"{azure.root}/resourceGroups/{group or azure.group()}/providers/Microsoft.ContainerRegistry/registries/{name}"
    )
    wanted = GenericResource(location="westeurope", sku=Sku(name=sku), properties=properties)
    poller = azure.resources.resources.begin_create_or_update_by_id(place, wanted, api_version=VERSION)
    return poller.result(timeout=20)


def packed(source: dict[str, str]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        for name, text in source.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text.encode())
            tar.addfile(entry, io.BytesIO(text.encode()))
    return file.getvalue()


@dataclass
class Builds:
    """One registry, and quick builds in it by the real client."""

    azure: Azure
    registry: Any

    @cached_property
    def tasks(self) -> ContainerRegistryTasksMgmtClient:
        origin = self.azure.live.origin
        options: dict[str, Any] = {"base_url": origin, "credential_scopes": [f"{origin}/.default"]}
        options |= {"connection_verify": str(self.azure.live.ca)}
        return closed_later(ContainerRegistryTasksMgmtClient(self.azure.credential, self.azure.subscription, **options))

    @property
    def place(self) -> tuple[str, str]:
        return self.registry.id.split("/")[4], self.registry.name

    @property
    def login_server(self) -> str:
        return str(self.registry.properties["loginServer"])

    def blob(self, url: str) -> BlobClient:
        return closed_later(BlobClient.from_blob_url(url, connection_verify=str(self.azure.live.ca)))

    def upload(self, data: bytes) -> str:
        """The uploaded source's relative path."""
        target = self.tasks.registries.get_build_source_upload_url(*self.place)
        self.blob(str(target.upload_url)).upload_blob(data, blob_type="BlockBlob", overwrite=True)
        return str(target.relative_path)

    def request(self, source: str, *names: str, **facts: Any) -> DockerBuildRequest:
        arguments = [Argument(name=name, value=value) for name, value in facts.pop("arguments", {}).items()]
        usual: dict[str, Any] = {"is_push_enabled": True, "docker_file_path": "Dockerfile", "timeout": 600}
        platform = PlatformProperties(os="Linux", architecture="amd64")
        return DockerBuildRequest(
            image_names=list(names), source_location=source, platform=platform, arguments=arguments, **(usual | facts)
        )

    def schedule(self, source: dict[str, str], *names: str, **facts: Any) -> str:
        wanted = self.request(self.upload(packed(source)), *names, **facts)
        return str(self.tasks.registries.schedule_run(*self.place, wanted).name)

    def ended(self, run_id: str, seconds: float = 30.0) -> Any:
        """The run, once it has ended."""
        for _ in wait_until(seconds):
            run: Any = self.tasks.runs.get(*self.place, run_id).properties
            if run.status in ENDED:
                return run
        raise AssertionError

    def build(self, source: dict[str, str], *names: str, **facts: Any) -> Any:
        return self.ended(self.schedule(source, *names, **facts))

    def log_blob(self, run_id: str) -> BlobClient:
        return self.blob(str(self.tasks.runs.get_log_sas_url(*self.place, run_id).log_link))

    def log(self, run_id: str) -> str:
        return self.log_blob(run_id).download_blob(encoding="utf-8").readall().replace("\r\n", "\n")

    def http(self, **options: Any) -> httpx.Client:
        import ssl

        context = ssl.create_default_context(cafile=str(self.azure.live.ca))
        return closed_later(httpx.Client(verify=context, trust_env=False, timeout=20, **options))


def post(builds: Builds, action: str, body: Any = None, azure: Azure | None = None) -> Any:
    """An act on the registry, as the management clients call it."""
    token = (azure or builds.azure).credential.get_token(f"{builds.azure.live.origin}/.default").token
    url = f"{builds.azure.live.origin}{builds.registry.id}/{action}?api-version={VERSION}"
    return builds.http().post(url, json=body or {}, headers={"Authorization": f"Bearer {token}"})


@dataclass
class Visitor:
    """Somebody at a registry's data plane, who signs in as the challenge tells."""

    builds: Builds
    azure: Azure | None = None  # whose Entra token is exchanged
    basic: tuple[str, str] = ("", "")

    @cached_property
    def client(self) -> httpx.Client:
        return self.builds.http()

    @property
    def root(self) -> str:
        return f"https://{self.builds.login_server}"

    def challenge(self, url: str) -> dict[str, str]:
        answer = self.client.get(url)
        assert answer.status_code == 401, answer.text
        scheme, _, rest = answer.headers["WWW-Authenticate"].partition(" ")
        assert scheme == "Bearer"
        return dict(re.findall(r'(\w+)="([^"]*)"', rest))

    def token(self, scope: str, told: dict[str, str]) -> httpx.Response:
        if self.azure is None:
            asked = {"service": told["service"], "scope": scope}
            return self.client.get(told["realm"], params=asked, auth=self.basic)
        entra = self.azure.credential.get_token("https://containerregistry.azure.net/.default").token
        form = {"grant_type": "access_token", "service": told["service"], "access_token": entra}
        exchanged = self.client.post(told["realm"].replace("/oauth2/token", "/oauth2/exchange"), data=form)
        if exchanged.status_code != 200:
            return exchanged
        form = {"grant_type": "refresh_token", "service": told["service"], "scope": scope}
        form["refresh_token"] = exchanged.json()["refresh_token"]
        return self.client.post(told["realm"], data=form)

    def call(self, method: str, path: str, root: str = "") -> httpx.Response:
        """With a token for just what the challenge of this very call says."""
        url = f"{root or self.root}{path}"
        answer = self.client.request(method, url)
        if answer.status_code != 401:
            return answer
        told = dict(re.findall(r'(\w+)="([^"]*)"', answer.headers["WWW-Authenticate"]))
        granted = self.token(told.get("scope", ""), told)
        if granted.status_code != 200:
            return granted
        return self.client.request(method, url, headers={"Authorization": f"Bearer {granted.json()['access_token']}"})


def own_registry(live: LiveSandbox, **properties: Any) -> Builds:
    azure = registry_owner(live)
    return Builds(azure, create(azure, new_name(), **properties))


def images_in(live: LiveSandbox) -> Iterator[Images]:
    """As the sandbox's other services ask for images."""
    sandbox = Sandbox(live.folder, live.origin)
    load_services(sandbox)
    yield Images(sandbox)
    sandbox.requests.close()
    sandbox.store.close()
