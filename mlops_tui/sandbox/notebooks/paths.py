"""The paths a notebook knows, on this machine: /dbfs, /Volumes, /Workspace, /databricks-datasets and dbfs:/.

On a cluster these are mounts. Here the functions of `os` and `open` that take a path are wrapped in the worker process,
which reaches everything written in Python (pandas, joblib, pathlib, shutil, MLflow) and needs no rights.
"""

from __future__ import annotations

import builtins
import functools
import io
import os
import re
import shutil  # before the wrapping: it looks at what os supports when it is imported
from collections.abc import Callable
from pathlib import Path
from typing import Any

_MOUNTS = re.compile(r"/+(dbfs|Volumes|Workspace|databricks-datasets)(?=/|$)")
_IN_SHELL = re.compile(r"(?<![\w./:-])/(?:dbfs|Volumes|Workspace|databricks-datasets)(?=[/\s'\";|&)]|$)")
_ONE_PATH = (
    *("stat", "lstat", "listdir", "scandir", "mkdir", "rmdir", "remove", "unlink", "open", "access", "chmod", "chown"),
    *("utime", "readlink", "chdir", "truncate", "statvfs", "listxattr", "getxattr", "setxattr", "removexattr"),
)
_TWO_PATHS = ("rename", "replace", "link", "symlink")


class Paths:
    """Translates between a notebook's paths and the files under `root`."""

    def __init__(self, root: Path) -> None:
        self.root = str(root)

    def real(self, path: Any) -> Any:
        """Where the file is; anything but a path of a mount is returned as it is."""
        if not isinstance(path, (str, os.PathLike)):
            return path
        text = os.fspath(path)
        if not isinstance(text, str):
            return path
        if text.startswith("dbfs:/"):
            inner = "/" + text[5:].lstrip("/")
            text = inner if inner.startswith("/Volumes/") else "/dbfs" + inner
        if not _MOUNTS.match(text):
            return path
        text = "/" + text.lstrip("/")
        if text.startswith("/dbfs/databricks-datasets"):
            text = text.removeprefix("/dbfs")
        return self.root + text

    def logical(self, path: str | Path) -> str:
        """How a notebook calls a file under the root."""
        text = str(path)
        return text.removeprefix(self.root) if text.startswith(self.root + os.sep) else text

    def in_shell(self, script: str) -> str:
        """A shell script with its paths translated, for a shell sees no mounts."""
        return _IN_SHELL.sub(lambda match: self.real(match.group()), script)

    def install(self) -> None:
        """Wrap this process's file functions. Not to be undone: for a process that runs one notebook."""
        shutil.__name__  # noqa: B018 (imported for its effect)
        for name in filter(os.__dict__.__contains__, _ONE_PATH):  # macOS has no os.listxattr
            self._wrap(os, name, 1)
        for name in _TWO_PATHS:
            self._wrap(os, name, 2)
        self._wrap(builtins, "open", 1)
        self._wrap(os.path, "expanduser", 1)  # pandas sends Parquet paths through it on their way to C++
        io.open = builtins.open

    def _wrap(self, module: Any, name: str, paths: int) -> None:
        function = getattr(module, name)
        wrapped = self._translating(function, paths)
        setattr(module, name, wrapped)
        for supported in (os.supports_dir_fd, os.supports_fd, os.supports_follow_symlinks, os.supports_effective_ids):
            if function in supported:
                supported.add(wrapped)

    def _translating(self, function: Callable[..., Any], paths: int) -> Callable[..., Any]:
        @functools.wraps(function)
        def translated(*arguments: Any, **options: Any) -> Any:
            real = [self.real(argument) for argument in arguments[:paths]]
            for name in ("path", "file", "src", "dst"):
                if name in options:
                    options[name] = self.real(options[name])
            try:
                return function(*real, *arguments[paths:], **options)
            except OSError as error:
                # The person reads the path that the notebook used.
                if isinstance(error.filename, str):
                    error.filename = self.logical(error.filename)
                if isinstance(error.filename2, str):
                    error.filename2 = self.logical(error.filename2)
                raise

        return translated
