"""The process that executes one notebook: forked from a warm one, or fresh (python -m …worker SOCKET)."""

from __future__ import annotations

import atexit
import importlib
import io
import os
import random
import signal
import socket
import sys
import tempfile
import traceback
import types
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from mlops_tui.sandbox.notebooks.channel import Channel, read_message
from mlops_tui.sandbox.notebooks.paths import Paths
from mlops_tui.sandbox.notebooks.processes import die_with_parent
from mlops_tui.sandbox.notebooks.requirements import Pip
from mlops_tui.sandbox.notebooks.run import NotebookRun
from mlops_tui.sandbox.notebooks.runner import Runner
from mlops_tui.sandbox.notebooks.tracebacks import one_line
from mlops_tui.sandbox.notebooks.widgets import Widgets


@dataclass(frozen=True)
class Assignment:
    """What a worker is to do. After a restart of Python: from which cell on, and with which widgets."""

    run: NotebookRun
    scratch: Path  # for this run only; removed after it
    first_cell: int = 0
    widgets: dict[str, str] = field(default_factory=dict)


class Cancelled(BaseException):
    """SIGTERM: the run is cancelled or out of time. Lets `with mlflow.start_run()` close its run."""


def work(assignment: Assignment, connection: socket.socket) -> NoReturn:
    """Execute the notebook in this process, which has its output on 1 and 2 already, and end the process."""
    status = 1
    channel = Channel(connection)
    try:
        die_with_parent()
        runner = _prepare(assignment, channel)
        runner.execute(assignment.first_cell)
        atexit._run_exitfuncs()  # of what the notebook used: MLflow ends a run that was left open
        status = 0
    except Exception as error:  # noqa: BLE001 (there is nobody above to tell)
        traceback.print_exc()
        channel.tell(op="end", state="FAILED", error=one_line(error))
    finally:
        _flush()
        os._exit(status)  # no teardown of a warm interpreter: it takes longer than a small training


def _prepare(assignment: Assignment, channel: Channel) -> Runner:
    run, scratch = assignment.run, assignment.scratch
    signal.signal(signal.SIGTERM, _cancelled)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _speak_to_the_pipe()
    base = dict(os.environ)  # installers must not get the workspace's token and certificates
    os.environ |= {"TMPDIR": str(scratch), "PYTHONUNBUFFERED": "1", "MPLBACKEND": "Agg"}
    os.environ |= run.environment
    _forget_the_parent()
    packages = scratch / "packages"
    sys.path[:] = [path for path in sys.path if path not in ("", str(Path.cwd()))]
    sys.path[:0] = _code_folders(run)
    if packages.exists():
        sys.path.insert(0, str(packages))
    sys.argv = [str(run.notebook)]
    os.chdir(run.notebook.parent)
    runner = Runner(run, channel, Pip(packages, base), Widgets(run.parameters, assignment.widgets))
    _offer_runtime(runner.namespace)
    Paths(run.root).install()
    return runner


def _code_folders(run: NotebookRun) -> list[str]:
    """Where modules of the user's are found: beside the notebook, and at the root of its Git folder."""
    folders = [str(run.notebook.parent)]
    repositories = run.root / "Workspace/Repos"
    if run.notebook.is_relative_to(repositories):
        user_and_repository = run.notebook.relative_to(repositories).parts[:2]
        folders.append(str(repositories.joinpath(*user_and_repository)))
    return folders


def _cancelled(number: int, frame: types.FrameType | None) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once; who does not end is killed
    raise Cancelled("The run was cancelled")


def _speak_to_the_pipe() -> None:
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 (for the life of the process)
    sys.stdout, sys.stderr = _line_by_line(1), _line_by_line(2)


def _line_by_line(descriptor: int) -> io.TextIOWrapper:
    return open(descriptor, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)


def _forget_the_parent() -> None:
    """Undo what a forked process shares with its siblings and must not."""
    atexit._clear()
    tempfile.tempdir = None
    random.seed()
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed()
    for name in ("databricks.sdk.runtime", "dbruntime"):
        sys.modules.pop(name, None)  # it took its dbutils when it was imported
    if mlflow := sys.modules.get("mlflow"):
        _reset_tracking(mlflow)


def _reset_tracking(mlflow: Any) -> None:
    """As after `import mlflow`: addresses come from the environment, and an open run is closed at the end."""
    mlflow.set_tracking_uri(None)
    mlflow.set_registry_uri(None)
    if "MLFLOW_TRACKING_URI" not in os.environ:
        os.environ.pop("MLFLOW_REGISTRY_URI", None)
    atexit.register(mlflow.tracking.fluent._safe_end_run)


def _offer_runtime(namespace: dict[str, Any]) -> None:
    """`from databricks.sdk.runtime import dbutils` in a module of the notebook: the SDK asks a module `dbruntime`."""

    class UserNamespaceInitializer:
        @classmethod
        def getOrCreate(cls) -> UserNamespaceInitializer:  # noqa: N802 (the platform's name)
            return cls()

        def get_namespace_globals(self) -> dict[str, Any]:
            return namespace

    runtime: Any = types.ModuleType("dbruntime")
    runtime.__path__ = []  # a package without submodules: the SDK tries some
    runtime.UserNamespaceInitializer = UserNamespaceInitializer
    sys.modules["dbruntime"] = runtime


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):  # the notebook closed it
            continue


def main() -> None:
    """A fresh process: its assignment is the first line of the socket."""
    connection = socket.socket(fileno=int(sys.argv[1]))
    message = read_message(connection)
    run = NotebookRun.from_json(message["run"])
    scratch = Path(message["scratch"])
    if (scratch / "packages").exists():
        sys.path.insert(0, str(scratch / "packages"))  # before anything is imported that it may bring anew
    importlib.invalidate_caches()
    work(Assignment(run, scratch, message["first_cell"], message["widgets"]), connection)


if __name__ == "__main__":
    main()
