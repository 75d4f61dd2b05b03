"""A container registry as OCI clients know it: /v2/ (OCI distribution specification 1.1), for reading and deleting.

It answers below the login server, https://localhost:PORT/NAME/v2/…, and at https://localhost:PORT/v2/NAME/…, which is
what a client makes of the reference `localhost:PORT/NAME/repository`. Images come from builds: nothing is pushed here.
"""

from __future__ import annotations

from urllib.parse import urlencode

from starlette.responses import FileResponse, Response

from mlops_tui.sandbox.api import Body, Call, Endpoint, Handler, Service, answer, empty
from mlops_tui.sandbox.image_layers import CONFIG_TYPE, LAYER_TYPE, MANIFEST_TYPE
from mlops_tui.sandbox.images import CONFIG, DIGEST, LAYER, MANIFEST_FILE, Images
from mlops_tui.sandbox.paging import whole_number
from mlops_tui.sandbox.registry_tokens import REGISTRY, RegistryTokens

PAGE = 100  # names in a listing, at most
AT_LOGIN_SERVER, AT_HOST = "/{registry}/v2", "/v2/{registry}"


class RegistryDataPlane(Service):
    """Catalog, tags, manifests and blobs."""

    dialect = REGISTRY

    def routes(self) -> list[Endpoint]:
        of_repository: list[tuple[str, str, Handler]] = [
            ("GET", "tags/list", self.tags),
            ("GET", "manifests/{reference}", self.manifest),
            ("DELETE", "manifests/{reference}", self.delete_manifest),
            ("GET", "blobs/{digest}", self.blob),
        ]
        return [
            self.on("GET", AT_LOGIN_SERVER, self.version),
            self.on("GET", f"{AT_LOGIN_SERVER}/", self.version),
            self.on("GET", f"{AT_LOGIN_SERVER}/_catalog", self.catalog),
            *(
                self.on(method, f"{root}/{{repository:path}}/{rest}", handler)
                for root in (AT_LOGIN_SERVER, AT_HOST)
                for method, rest, handler in of_repository
            ),
        ]

    @property
    def _images(self) -> Images:
        return Images(self.sandbox)

    def version(self, call: Call) -> Body:
        """Whether the caller may come in, which everyone asks first."""
        tokens = self.sandbox.find(RegistryTokens)
        registry = tokens.registry(call.params["registry"])
        tokens.require_any(call, registry)
        return {}

    def catalog(self, call: Call) -> Response:
        tokens = self.sandbox.find(RegistryTokens)
        registry = tokens.registry(call.params["registry"])
        tokens.require(call, registry, "registry", "catalog", "*")
        return listing(call, "repositories", self._images.repositories(registry["name"]))

    def _enter(self, call: Call, *rights: str) -> tuple[str, str]:
        """Registry and repository of the path, where the caller may do that. Raises ApiError (401, 404)."""
        tokens = self.sandbox.find(RegistryTokens)
        registry, repository = tokens.registry(call.params["registry"]), call.params["repository"]
        at_host = call.path.startswith("/v2/")
        name = f"{call.params['registry']}/{repository}" if at_host else repository
        tokens.require(call, registry, "repository", name, *rights)
        return registry["name"], repository

    def tags(self, call: Call) -> Response:
        registry, repository = self._enter(call, "pull", "metadata_read")
        if not self._images.manifests(registry, repository):
            raise unknown_name(repository)
        names = [tag["name"] for tag in self._images.tags(registry, repository)]
        return listing(call, "tags", names, {"name": repository})

    def _manifest(self, call: Call, registry: str, repository: str) -> Body:
        reference = call.params["reference"]
        found = self._images.manifest(registry, repository, reference)
        if found is None:
            message = f'manifest {"sha" if DIGEST.fullmatch(reference) else "tagged by"} "{reference}" is not found'
            raise self.dialect.error(404, "MANIFEST_UNKNOWN", message)
        return found

    def manifest(self, call: Call) -> Response:
        registry, repository = self._enter(call, "pull")
        found = self._manifest(call, registry, repository)
        headers = {"Docker-Content-Digest": found["digest"], "ETag": f'"{found["digest"]}"'}
        headers["Docker-Distribution-Api-Version"] = "registry/2.0"
        return FileResponse(self._images.files(found) / MANIFEST_FILE, media_type=MANIFEST_TYPE, headers=headers)

    def delete_manifest(self, call: Call) -> Response:
        """By digest the image with all its tags; by tag the tag alone."""
        registry, repository = self._enter(call, "delete")
        found = self._manifest(call, registry, repository)
        if DIGEST.fullmatch(call.params["reference"]):
            self._images.remove_manifest(found)
        else:
            self._images.remove_tag(registry, repository, call.params["reference"])
        return empty(202)

    def blob(self, call: Call) -> Response:
        """The configuration or the layer of one of the repository's images."""
        registry, repository = self._enter(call, "pull")
        wanted = call.params["digest"]
        for manifest in self._images.manifests(registry, repository):
            for name, file, kind in (("config", CONFIG, CONFIG_TYPE), ("layer", LAYER, LAYER_TYPE)):
                if manifest[name] == wanted:
                    headers = {"Docker-Content-Digest": wanted}
                    return FileResponse(self._images.files(manifest) / file, media_type=kind, headers=headers)
        raise self.dialect.error(404, "BLOB_UNKNOWN", "blob unknown to registry")


def unknown_name(repository: str) -> Exception:
    message = f"repository name not known to registry: {repository}"
    return REGISTRY.error(404, "NAME_UNKNOWN", message)


def listing(call: Call, key: str, names: list[str], more: Body | None = None) -> Response:
    """A page of names after `last`, at most `n`, and a Link to the next one."""
    size = whole_number(call.dialect, call.query, "n", PAGE, 1, 1000)
    last = call.query.get("last", "")
    rest = sorted(name for name in names if name > last)
    headers = {}
    if len(rest) > size:
        query = urlencode({"last": rest[size - 1], "n": size})
        headers["Link"] = f'<{call.path}?{query}>; rel="next"'
    return answer({**(more or {}), key: rest[:size]}, headers=headers)
