"""What Azure's own clients ask of a container registry: /acr/v1/ (Azure Container Registry REST API 2021-07-01)."""

from __future__ import annotations

from urllib.parse import urlencode

from starlette.responses import Response

from mlops_tui.sandbox.api import Body, Call, Endpoint, Service, answer, empty
from mlops_tui.sandbox.image_layers import CONFIG_TYPE, MANIFEST_TYPE
from mlops_tui.sandbox.images import Images
from mlops_tui.sandbox.paging import whole_number
from mlops_tui.sandbox.registry_data_plane import PAGE, listing, unknown_name
from mlops_tui.sandbox.registry_tokens import REGISTRY, RegistryTokens

CHANGEABLE = {"deleteEnabled": True, "writeEnabled": True, "readEnabled": True, "listEnabled": True}


class RegistryMetadata(Service):
    """Repositories, tags and manifests with what is known of them."""

    dialect = REGISTRY

    def routes(self) -> list[Endpoint]:
        root = "/{registry}/acr/v1"
        one = f"{root}/{{repository:path}}"
        return [
            self.on("GET", f"{root}/_catalog", self.catalog),
            self.on("GET", f"{one}/_tags", self.tags),
            self.on("GET", f"{one}/_tags/{{tag}}", self.tag),
            self.on("DELETE", f"{one}/_tags/{{tag}}", self.delete_tag),
            self.on("GET", f"{one}/_manifests", self.manifests),
            self.on("GET", f"{one}/_manifests/{{digest}}", self.manifest),
            self.on("GET", one, self.repository),
            self.on("DELETE", one, self.delete_repository),
        ]

    @property
    def _images(self) -> Images:
        return Images(self.sandbox)

    def catalog(self, call: Call) -> Response:
        tokens = self.sandbox.find(RegistryTokens)
        registry = tokens.registry(call.params["registry"])
        tokens.require(call, registry, "registry", "catalog", "*")
        return listing(call, "repositories", self._images.repositories(registry["name"]))

    def _enter(self, call: Call, *rights: str) -> tuple[Body, str, list[Body]]:
        """Registry, repository and its manifests, where the caller may do that. Raises ApiError (401, 404)."""
        tokens = self.sandbox.find(RegistryTokens)
        registry, repository = tokens.registry(call.params["registry"]), call.params["repository"]
        tokens.require(call, registry, "repository", repository, *rights)
        manifests = self._images.manifests(registry["name"], repository)
        if not manifests:
            raise unknown_name(repository)
        return registry, repository, manifests

    def _head(self, registry: Body, repository: str) -> Body:
        return {"registry": registry["properties"]["loginServer"], "imageName": repository}

    def repository(self, call: Call) -> Body:
        registry, repository, manifests = self._enter(call, "metadata_read", "pull")
        return self._head(registry, repository) | {
            "createdTime": min(one["created"] for one in manifests),
            "lastUpdateTime": max(one["updated"] for one in manifests),
            "manifestCount": len(manifests),
            "tagCount": len(self._images.tags(registry["name"], repository)),
            "changeableAttributes": CHANGEABLE | {"teleportEnabled": False},
        }

    def delete_repository(self, call: Call) -> Response:
        registry, repository, manifests = self._enter(call, "delete")
        tags = self._images.tags(registry["name"], repository)
        self._images.remove_repository(registry["name"], repository)
        gone = {"manifestsDeleted": [one["digest"] for one in manifests], "tagsDeleted": [one["name"] for one in tags]}
        return answer(gone, 202)

    def tags(self, call: Call) -> Response:
        registry, repository, _ = self._enter(call, "metadata_read", "pull")
        rows = [_tag(one) for one in self._images.tags(registry["name"], repository)]
        if digest := call.query.get("digest"):
            rows = [one for one in rows if one["digest"] == digest]
        return _page(call, self._head(registry, repository), "tags", rows, "name")

    def tag(self, call: Call) -> Body:
        registry, repository, _ = self._enter(call, "metadata_read", "pull")
        for one in self._images.tags(registry["name"], repository):
            if one["name"] == call.params["tag"]:
                return self._head(registry, repository) | {"tag": _tag(one)}
        raise self._no_tag(call)

    def _no_tag(self, call: Call) -> Exception:
        return self.dialect.error(404, "TAG_UNKNOWN", f"the specified tag does not exist: {call.params['tag']}")

    def delete_tag(self, call: Call) -> Response:
        registry, repository, _ = self._enter(call, "delete")
        if not self._images.remove_tag(registry["name"], repository, call.params["tag"]):
            raise self._no_tag(call)
        return empty(202)

    def manifests(self, call: Call) -> Response:
        registry, repository, manifests = self._enter(call, "metadata_read", "pull")
        rows = [self._shown(one) for one in manifests]
        return _page(call, self._head(registry, repository), "manifests", rows, "digest")

    def manifest(self, call: Call) -> Body:
        registry, repository, manifests = self._enter(call, "metadata_read", "pull")
        wanted = call.params["digest"]
        for one in manifests:
            if one["digest"] == wanted:
                return self._head(registry, repository) | {"manifest": self._shown(one)}
        raise self.dialect.error(404, "MANIFEST_UNKNOWN", f'manifest sha "{wanted}" is not found')

    def _shown(self, manifest: Body) -> Body:
        tags = self._images.tags(manifest["registry"], manifest["repository"])
        return {
            "digest": manifest["digest"],
            "imageSize": manifest["image_size"],
            "createdTime": manifest["created"],
            "lastUpdateTime": manifest["updated"],
            "architecture": "amd64",
            "os": "linux",
            "mediaType": MANIFEST_TYPE,
            "configMediaType": CONFIG_TYPE,
            "tags": [tag["name"] for tag in tags if tag["digest"] == manifest["digest"]],
            "changeableAttributes": CHANGEABLE,
        }


def _tag(tag: Body) -> Body:
    return {
        "name": tag["name"],
        "digest": tag["digest"],
        "createdTime": tag["created"],
        "lastUpdateTime": tag["updated"],
        "signed": False,
        "changeableAttributes": CHANGEABLE,
    }


def _page(call: Call, head: Body, key: str, rows: list[Body], name: str) -> Response:
    """A page of rows after the one named `last`: by name, or by time (orderby=timeasc, timedesc)."""
    size = whole_number(call.dialect, call.query, "n", PAGE, 1, 1000)
    order = call.query.get("orderby", "")
    rows = sorted(rows, key=lambda row: str(row["lastUpdateTime" if order.startswith("time") else name]))
    rows = rows[::-1] if order == "timedesc" else rows
    names = [row[name] for row in rows]
    start = names.index(call.query["last"]) + 1 if call.query.get("last") in names else 0
    shown, headers = rows[start : start + size], {}
    if len(rows) > start + size:
        query = {"last": shown[-1][name], "n": str(size)} | ({"orderby": order} if order else {})
        headers["Link"] = f'<{call.path}?{urlencode(query)}>; rel="next"'
    return answer(head | {key: shown}, headers=headers)
