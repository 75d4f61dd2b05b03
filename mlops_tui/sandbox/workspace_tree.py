"""The tree of workspace objects: documents in the store say what there is, real files hold what is in it.

A notebook at /Shared/train stands as `Workspace/Shared/train.py`, so that runs can execute it. The file is written
first and the document after it: a kill in between leaves at most a file that nothing shows.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from mlops_tui.sandbox.notebook_formats import EXTENSION
from mlops_tui.sandbox.storage import Tree, canonical, remove, write_whole

if TYPE_CHECKING:
    from mlops_tui.sandbox.store import Document, Store

OBJECT, PATH = "workspace-object", "workspace-path"  # by path; and the paths by id
ROOTS = ("/", "/Repos", "/Shared", "/Users")
DIRECTORY, NOTEBOOK, FILE = "DIRECTORY", "NOTEBOOK", "FILE"
FIRST_ID = 2_200_000_000_000_001


class OccupiedError(Exception):
    """Something of another kind stands at that path; `path` says where."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


def parent_of(path: str) -> str:
    return path.rpartition("/")[0] or "/"


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

    def mkdirs(self, path: str) -> None:
        """The folder and those above it; nothing where it is there. Raises OccupiedError."""
        there = self.find(path)
        if there:
            if there["object_type"] != DIRECTORY:
                raise OccupiedError(path)
            return
        if path != "/":
            self.mkdirs(parent_of(path))
        try:
            self._tree.place(path).mkdir(parents=True, exist_ok=True, mode=0o700)
        except FileExistsError as error:
            raise OccupiedError(path) from error
        self._save({"object_type": DIRECTORY, "path": path})

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

    def read(self, body: Document) -> bytes:
        return self.place(body).read_bytes()

    def remove(self, body: Document) -> list[Document]:
        """The object and all below it; returns what is gone."""
        gone = [body, *(self.below(body["path"]) if body["object_type"] == DIRECTORY else [])]
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
