"""Container images that the sandbox's registries hold.

An image is pushed whole: its folder is made beside and renamed into place before a document says that it is there, so
that a sandbox killed in between has the old state and a folder that nobody names (`sweep` removes it).

Documents: "image-manifest" by "{registry}/{repository}@{digest}", "image-tag" by "{registry}/{repository}:{tag}", all
in lower case but tags. Files, below `<sandbox>/registries/{registry}/sha256-…/`: `root` (the file system),
`layer.tar.gz`, `config.json` and `manifest.json`.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops_tui.sandbox import clock
from mlops_tui.sandbox.storage import remove

if TYPE_CHECKING:
    from mlops_tui.sandbox.api import Body
    from mlops_tui.sandbox.sandbox import Sandbox

MANIFEST, TAG = "image-manifest", "image-tag"
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
# Distribution specification: "pulling manifests"; a tag is at most 128 characters.
REPOSITORY = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*")
TAG_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
ROOT, LAYER, CONFIG, MANIFEST_FILE = "root", "layer.tar.gz", "config.json", "manifest.json"


@dataclass(frozen=True)
class Image:
    """What runs as a container: files, a command, an environment, the port that it listens on."""

    registry: str
    repository: str
    digest: str
    folder: Path  # its files, as in WORKDIR
    command: tuple[str, ...]
    environment: dict[str, str]
    port: int  # of the first EXPOSE; 0 where there is none


class Images:
    """Reads and writes those documents and files. Holds no state: make one wherever it is needed."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._store = sandbox.store
        self._folder = sandbox.folder / "registries"

    def find(self, reference: str) -> Image | None:
        """ "<loginServer>/repository@sha256:…", or with ":tag"; None for a lost image and for another's reference."""
        host, _, path = reference.removeprefix("https://").partition("/")
        if f"https://{host.lower()}" != self._sandbox.origin:
            return None
        registry, _, name = path.partition("/")
        repository, chosen = split_name(name)
        return self.image(self.manifest(registry, repository, chosen))

    def image(self, manifest: Body | None) -> Image | None:
        if manifest is None:
            return None
        root = self.files(manifest) / ROOT
        if not root.is_dir():
            return None
        return Image(
            registry=manifest["registry"],
            repository=manifest["repository"],
            digest=manifest["digest"],
            folder=root / manifest["workdir"].strip("/"),
            command=tuple(manifest["command"]),
            environment=dict(manifest["environment"]),
            port=manifest["port"],
        )

    def may_pull(self, registry: str, username: str, password: str) -> bool:
        """Whether these credentials open the registry (its name or login server) for a pull.

        They are the admin user's, or a service principal's application id and secret where it has the right.
        """
        from mlops_tui.sandbox.registry_access import PULL, RegistryAccess

        access = RegistryAccess(self._sandbox)
        caller = access.sign_in(registry, username, password)
        return caller is not None and access.allows(caller, registry, PULL)

    def files(self, manifest: Body) -> Path:
        """The folder of the image's parts."""
        return self._folder / str(manifest["registry"]) / str(manifest["digest"]).replace(":", "-")

    def scratch(self, registry: str) -> Path:
        """A fresh folder beside the images, for one that is being made."""
        place = self._folder / registry.lower() / f"making-{secrets.token_hex(8)}"
        place.mkdir(parents=True, mode=0o700)
        return place

    def manifest(self, registry: str, repository: str, chosen: str) -> Body | None:
        """By tag or digest."""
        place = f"{registry}/{repository}".lower()
        if not DIGEST.fullmatch(chosen):
            tag = self._store.get(TAG, f"{place}:{chosen}")
            chosen = tag["digest"] if tag else ""
        return self._store.get(MANIFEST, f"{place}@{chosen}")

    def repositories(self, registry: str) -> list[str]:
        return sorted({one["repository"] for one in self._store.list(MANIFEST, f"{registry.lower()}/")})

    def manifests(self, registry: str, repository: str) -> list[Body]:
        return self._store.list(MANIFEST, f"{registry}/{repository}@".lower())

    def tags(self, registry: str, repository: str) -> list[Body]:
        return self._store.list(TAG, f"{registry}/{repository}:".lower())

    def add(self, made: Path, manifest: Body, tags: list[str]) -> Body:
        """Take in a finished image whose parts are in `made`, under these tags; the same content is kept once."""
        now = clock.now()
        place = f"{manifest['registry']}/{manifest['repository']}"
        with self._store.transaction():
            target = self.files(manifest)
            if target.exists():
                remove(made)
            else:
                made.replace(target)
            kept = self._store.get(MANIFEST, f"{place}@{manifest['digest']}")
            entry = (kept or manifest | {"created": now}) | {"updated": now}
            self._store.put(MANIFEST, f"{place}@{manifest['digest']}", entry)
            for tag in tags:
                before: dict[str, Any] = self._store.get(TAG, f"{place}:{tag}") or {"name": tag, "created": now}
                self._store.put(TAG, f"{place}:{tag}", before | {"digest": manifest["digest"], "updated": now})
        return entry

    def remove_tag(self, registry: str, repository: str, tag: str) -> bool:
        return self._store.delete(TAG, f"{registry}/{repository}".lower() + f":{tag}") is not None

    def remove_manifest(self, manifest: Body) -> None:
        """With its tags; with its files, unless another repository of the registry has the same image."""
        registry, repository, digest = manifest["registry"], manifest["repository"], manifest["digest"]
        with self._store.transaction():
            self._store.delete(MANIFEST, f"{registry}/{repository}@{digest}")
            for tag in self.tags(registry, repository):
                if tag["digest"] == digest:
                    self.remove_tag(registry, repository, tag["name"])
            if not any(one["digest"] == digest for one in self._store.list(MANIFEST, f"{registry}/")):
                remove(self.files(manifest))

    def remove_repository(self, registry: str, repository: str) -> int:
        """How many manifests went."""
        gone = self.manifests(registry, repository)
        for manifest in gone:
            self.remove_manifest(manifest)
        return len(gone)

    def forget(self, registry: str) -> None:
        """The registry is no more."""
        for repository in self.repositories(registry):
            self.remove_repository(registry, repository)
        remove(self._folder / registry.lower())

    def sweep(self) -> None:
        """Remove what a killed sandbox left half made."""
        named = {self.files(one) for one in self._store.list(MANIFEST)}
        for place in self._folder.glob("*/*"):
            if place.name.startswith("making-") or (place.name.startswith("sha256-") and place not in named):
                remove(place)


def split_name(name: str) -> tuple[str, str]:
    """ "winequality@sha256:…" or "winequality:17": the repository, and the digest or tag ("latest" where none is)."""
    repository, at, digest = name.partition("@")
    if at:
        return repository.partition(":")[0], digest
    head, slash, last = name.rpartition("/")
    repository, _, tag = last.partition(":")
    return f"{head}{slash}{repository}", tag or "latest"
