"""The tree of workspace objects: documents in the store say what there is, real files hold what is in it.

A notebook at /Shared/train stands as `Workspace/Shared/train.py`, so that runs can execute it. The file is written
first and the document after it: a kill in between leaves at most a file that nothing shows.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mlops_tui.sandbox.notebook_formats import EXTENSION, language_of_header
from mlops_tui.sandbox.storage import Tree, canonical, modified_ms, remove, write_whole

if TYPE_CHECKING:
    from mlops_tui.sandbox.store import Document, Store

OBJECT, PATH = "workspace-object", "workspace-path"  # by path; and the paths by id
ROOTS = ("/", "/Repos", "/Shared", "/Users")
DIRECTORY, REPO, NOTEBOOK, FILE = "DIRECTORY", "REPO", "NOTEBOOK", "FILE"
FOLDERS = (DIRECTORY, REPO)
HEADER_BYTES = 100  # of a file, among which the first line of a notebook is
FIRST_ID = 2_200_000_000_000_001


class OccupiedError(Exception):
    """Something of another kind stands at that path; `path` says where."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


def parent_of(path: str) -> str:
    return path.rpartition("/")[0] or "/"


def notebook_language(name: str, beginning: bytes) -> str | None:
    """The language of a source notebook in a repository, by its ending and its first line; None for other files."""
    language = language_of_header(beginning.decode("utf-8-sig", "replace"), name)
    return language if language and name.endswith(EXTENSION[language]) else None


class WorkspaceTree:
    """Workspace objects by path; permissions are not its affair."""

    def __init__(self, store: Store, files: Path) -> None:
        self._store = store
        self._tree = Tree(files / "Workspace")
        self._scratch = files / ".partial"

    def seed(self) -> None:
        """The folders that every workspace has."""
        for path in ROOTS:
            self.mkdirs(path)

    @staticmethod
    def clean(path: str) -> str:
        """One spelling for each path; /Workspace/… is another name for /…. Raises PathError."""
        path = canonical(path)
        return canonical(path.removeprefix("/Workspace") or "/") if f"{path}/".startswith("/Workspace/") else path

    def find(self, path: str) -> Document | None:
        return self._store.get(OBJECT, path)

    def by_id(self, object_id: str) -> Document | None:
        kept = self._store.get(PATH, object_id)
        return self.find(kept["path"]) if kept else None

    def children(self, path: str) -> list[Document]:
        """What stands directly in a folder, by name."""
        return [body for body in self.below(path) if parent_of(body["path"]) == path and body["path"] != "/"]

    def below(self, path: str) -> list[Document]:
        """All that a folder holds, at any depth."""
        return self._store.list(OBJECT, "/" if path == "/" else f"{path}/")

    def place(self, body: Document) -> Path:
        """The file or folder of an object on disk."""
        ending = EXTENSION[body["language"]] if body["object_type"] == NOTEBOOK else ""
        return self._tree.place(body["path"] + ending)

    def mkdirs(self, path: str, object_type: str = DIRECTORY) -> None:
        """The folder and those above it; nothing where it is there. Raises OccupiedError."""
        there = self.find(path)
        if there:
            if there["object_type"] not in FOLDERS:
                raise OccupiedError(path)
            return
        if path != "/":
            self.mkdirs(parent_of(path))
        try:
            self._tree.place(path).mkdir(parents=True, exist_ok=True, mode=0o700)
        except FileExistsError as error:
            raise OccupiedError(path) from error
        self._save({"object_type": object_type, "path": path})

    def write(self, path: str, data: bytes, object_type: str, language: str = "") -> Document:
        """A notebook or a file, new or in place of the one there. Raises OccupiedError."""
        body: Document = {"object_type": object_type, "path": path}
        if language:
            body["language"] = language
        before = self.find(path)
        place = self.place(body)
        if before is None or self.place(before) != place:
            self._require_free(place, path)
        write_whole(place, data, self._scratch)
        saved = self._save(body | {"size": len(data)})
        if before and self.place(before) != place:  # the notebook changed its language
            remove(self.place(before))
        return saved

    def _require_free(self, place: Path, path: str) -> None:
        """On disk the notebook `train` and the file `train.py` would be one."""
        neighbours = [path, *(path + ending for ending in EXTENSION.values())]
        neighbours += [path.removesuffix(ending) for ending in EXTENSION.values() if path.endswith(ending)]
        for one in neighbours:
            body = self.find(one)
            if body and one != path and self.place(body) == place:
                raise OccupiedError(one)

    def _save(self, body: Document) -> Document:
        """What is written again keeps its id and its time of making, also when two write at once."""
        now = int(time.time() * 1000)
        with self._store.transaction():
            kept = self.find(body["path"])
            kept = kept or {"object_id": self._store.next_number("workspace-object", FIRST_ID), "created_at": now}
            body |= {"object_id": kept["object_id"], "created_at": kept["created_at"], "modified_at": now}
            body["resource_id"] = str(body["object_id"])
            self._store.put(OBJECT, body["path"], body)
            self._store.put(PATH, body["resource_id"], {"path": body["path"]})
        return body

    def look_again(self, folder: Document) -> list[Document]:
        """Take what stands on disk below a folder for what is there, after git has written it; returns what is gone."""
        there = {body["path"]: body for body in self._on_disk(self.place(folder), folder["path"])}
        with self._store.transaction():
            known = {body["path"]: body for body in self.below(folder["path"])}
            gone = [body for path, body in known.items() if path not in there]
            for body in gone:
                self._store.delete(OBJECT, body["path"])
                self._store.delete(PATH, body["resource_id"])
            for path, body in there.items():
                before = known.get(path, {})
                written = modified_ms(self.place(body)) > before.get("modified_at", 0)
                if written or any(before.get(name) != value for name, value in body.items()):
                    self._save(body)
        return gone

    def _on_disk(self, place: Path, path: str) -> Iterator[Document]:
        for entry in sorted(place.iterdir()):
            name = f"{path}/{entry.name}"
            if entry.is_dir():
                yield {"object_type": DIRECTORY, "path": name}
                yield from self._on_disk(entry, name)
                continue
            with entry.open("rb") as file:
                language = notebook_language(entry.name, file.read(HEADER_BYTES))
            found = {"object_type": NOTEBOOK, "language": language} if language else {"object_type": FILE}
            path_there = name.removesuffix(EXTENSION[language]) if language else name
            yield {**found, "path": path_there, "size": entry.stat().st_size}

    def read(self, body: Document) -> bytes:
        return self.place(body).read_bytes()

    def remove(self, body: Document) -> list[Document]:
        """The object and all below it; returns what is gone."""
        gone = [body, *(self.below(body["path"]) if body["object_type"] in FOLDERS else [])]
        with self._store.transaction():
            for one in gone:
                self._store.delete(OBJECT, one["path"])
                self._store.delete(PATH, one["resource_id"])
        remove(self.place(body))
        return gone

    def forget(self) -> None:
        for kind in (OBJECT, PATH):
            for key, _ in self._store.items(kind):
                self._store.delete(kind, key)
        remove(self._tree.root)
