"""dbutils in a notebook of the sandbox: secrets and files go to the workspace by the SDK, the rest is answered here.

Databricks documentation, "Databricks Utilities (dbutils) reference".
"""

# Names are the platform's.
# ruff: noqa: N802, N803, N818
from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops_tui.sandbox.notebooks.channel import Channel
from mlops_tui.sandbox.notebooks.run import NotebookRun
from mlops_tui.sandbox.notebooks.widgets import Widgets

if TYPE_CHECKING:
    from databricks.sdk.dbutils import RemoteDbUtils

RESULT_LIMIT = 5 * 1024 * 1024  # bytes; Jobs 2.2, runs/get-output returns the first 5 MB
TASK_VALUE_LIMIT = 48 * 1024  # bytes of JSON


class NotebookExit(Exception):
    """dbutils.notebook.exit. An ordinary exception there too: `except Exception` around it swallows it."""


class RestartPython(BaseException):
    """dbutils.library.restartPython: go on with the next cell in a new process."""


class WorkflowException(Exception):
    """A notebook started by dbutils.notebook.run did not succeed."""

    __module__ = "com.databricks"


class Notebook:
    """dbutils.notebook."""

    def __init__(self, run: NotebookRun, channel: Channel, find: Callable[[str], Path], path: str) -> None:
        self._run, self._channel, self._find = run, channel, find
        self.entry_point = _EntryPoint(run, path)

    def exit(self, value: Any = "") -> None:
        text = str(value)
        if len(text.encode(errors="surrogatepass")) > RESULT_LIMIT:
            raise ValueError(
                f"The notebook's exit value is larger than {RESULT_LIMIT // 1024**2} MB. Write it to a file."
            )
        raise NotebookExit(text)

    def run(self, path: str, timeout_seconds: float = 0, arguments: dict[str, Any] | None = None) -> str:
        """Run another notebook as a job of its own, wait, and return its exit value. Raises WorkflowException."""
        parameters = {str(name): str(value) for name, value in (arguments or {}).items()}
        outcome = self._channel.ask(
            op="run", notebook=str(self._find(path)), parameters=parameters, timeout=timeout_seconds or None
        )
        if outcome["state"] != "SUCCESS":
            why = outcome["error"] or outcome["state"]
            raise WorkflowException(f"com.databricks.NotebookExecutionException: {outcome['state']}: {why}")
        return str(outcome["result"] or "")

    def getContext(self) -> _Context:
        return self.entry_point.getDbutils().notebook().getContext()


class _EntryPoint:
    """The road to the context that notebooks copy from each other: entry_point.getDbutils().notebook().getContext()."""

    def __init__(self, run: NotebookRun, path: str) -> None:
        self._context = _Context(run, path)

    def getDbutils(self) -> _EntryPoint:
        return self

    def notebook(self) -> _EntryPoint:
        return self

    def getContext(self) -> _Context:
        return self._context


class _Context:
    def __init__(self, run: NotebookRun, path: str) -> None:
        self.notebookPath = _option(path.removeprefix("/Workspace").removesuffix(".py"))
        self.apiUrl = _option(os.environ.get("DATABRICKS_HOST", ""))
        self.apiToken = _option(os.environ.get("DATABRICKS_TOKEN", ""))
        self.currentRunId = _option(str(run.run_id))


class _Option:
    def __init__(self, value: str) -> None:
        self._value = value

    def get(self) -> str:
        return self._value


def _option(value: str) -> Callable[[], _Option]:
    return lambda: _Option(value)


class TaskValues:
    """dbutils.jobs.taskValues."""

    def __init__(self, known: dict[str, Any], channel: Channel) -> None:
        self._known, self._channel = known, channel

    def set(self, key: str, value: Any) -> None:
        if len(json.dumps(value)) > TASK_VALUE_LIMIT:
            raise ValueError(f"The JSON of the task value {key!r} is larger than {TASK_VALUE_LIMIT // 1024} KiB")
        self._channel.tell(op="task_value", key=key, value=value)

    def get(self, taskKey: str, key: str, default: Any = None, debugValue: Any = None) -> Any:
        """`debugValue` is for notebooks run outside of a job: here it is never returned, as in a job."""
        if f"{taskKey}.{key}" in self._known:
            return self._known[f"{taskKey}.{key}"]
        if default is not None:
            return default
        raise ValueError(f"Task value not found: the task {taskKey!r} has not set {key!r}, and no default was given")


class Jobs:
    """dbutils.jobs."""

    def __init__(self, task_values: TaskValues) -> None:
        self.taskValues = task_values


class Library:
    """dbutils.library."""

    def restartPython(self) -> None:
        raise RestartPython


class Secrets:
    """dbutils.secrets: what is read here is never printed, as on the platform."""

    def __init__(self, remote: Callable[[], RemoteDbUtils], channel: Channel) -> None:
        self._remote, self._channel = remote, channel

    def get(self, scope: str, key: str) -> str:
        return self.getBytes(scope, key).decode()

    def getBytes(self, scope: str, key: str) -> bytes:
        value = self._remote().secrets.getBytes(scope, key)
        self._channel.ask(op="redact", value=value.decode(errors="replace"))
        return value

    def list(self, scope: str) -> Any:
        return self._remote().secrets.list(scope)

    def listScopes(self) -> Any:
        return self._remote().secrets.listScopes()


class DbUtils:
    """The object `dbutils`."""

    def __init__(self, widgets: Widgets, notebook: Notebook, task_values: TaskValues, channel: Channel) -> None:
        self.widgets = widgets
        self.notebook = notebook
        self.jobs = Jobs(task_values)
        self.library = Library()
        self.secrets = Secrets(self._sdk, channel)
        self._remote: RemoteDbUtils | None = None

    @property
    def fs(self) -> Any:
        return self._sdk().fs

    def _sdk(self) -> RemoteDbUtils:
        if self._remote is None:  # made on demand: it calls the workspace
            from databricks.sdk.dbutils import RemoteDbUtils

            self._remote = RemoteDbUtils()
        return self._remote

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(
            f"dbutils.{name} is not in the sandbox: it has fs, jobs, library, notebook, secrets, widgets"
        )
