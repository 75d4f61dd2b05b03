"""python -m mlops_tui.sandbox.mlflow_process FOLDER SOCKET: MLflow's own server, as a child of the sandbox.

It is a process of its own because MLflow takes some seconds to import and 250 MB to hold: the sandbox stays small and
never waits for it. It lives as long as its standard input, a pipe of which the sandbox holds the other end, stays
open; so it ends with the sandbox even when that one is killed.
"""

from __future__ import annotations

import gc
import os
import sqlite3
import sys
import threading
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

ARTIFACT_ROOT = "dbfs:/databricks/mlflow-tracking"  # the root that a Databricks workspace gives its experiments


def main() -> None:
    folder, socket_path = Path(sys.argv[1]), Path(sys.argv[2])
    os.umask(0o077)
    threading.Thread(target=_end_with_the_sandbox, args=(socket_path,), daemon=True).start()
    _check(folder / "mlflow.sqlite")
    database = f"sqlite:///{folder / 'mlflow.sqlite'}"
    os.environ |= {
        "_MLFLOW_SERVER_FILE_STORE": database,
        "_MLFLOW_SERVER_REGISTRY_STORE": database,
        "_MLFLOW_SERVER_ARTIFACT_ROOT": ARTIFACT_ROOT,
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    gc.disable()  # nothing that an import makes is garbage yet
    app = _prepare()
    gc.enable()
    gc.freeze()
    _serve(app, socket_path)


def _check(database: Path) -> None:
    """Raises sqlite3.DatabaseError at once where MLflow would try a broken file again and again for minutes."""
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA schema_version")


def _prepare() -> Any:
    """MLflow's WSGI application, with its tables made."""
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    event.listen(Engine, "connect", _commit_without_waiting_for_the_disk)
    from mlflow.server import app, handlers
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    # Where Databricks keeps logged models; its client tells them from runs by this name.
    SqlAlchemyStore.MODELS_FOLDER_NAME = "logged_models"
    tracking = handlers._get_tracking_store()
    handlers._get_model_registry_store()
    _remove_the_default_experiment(tracking)
    return app


def _commit_without_waiting_for_the_disk(connection: Any, _: Any) -> None:
    """As in `store`: survives the death of the process, at a tenth of the time of a commit that waits for the disk."""
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA busy_timeout = 10000")


def _remove_the_default_experiment(tracking: Any) -> None:
    """A Databricks workspace has no experiment 0 that catches what names no experiment."""
    from mlflow.entities import ViewType

    if any(e.experiment_id == "0" for e in tracking.search_experiments(view_type=ViewType.ACTIVE_ONLY)):
        tracking.delete_experiment("0")


def _serve(app: Any, socket_path: Path) -> None:
    """By Werkzeug's threaded server: on a private socket with one client it answers faster than an ASGI bridge."""
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Handler(WSGIRequestHandler):
        protocol_version = "HTTP/1.1"  # keeps connections

        def log_request(self, *_: Any) -> None:
            """The sandbox keeps the request log."""

    make_server(f"unix://{socket_path}", 0, app, threaded=True, request_handler=Handler).serve_forever()


def _end_with_the_sandbox(socket_path: Path) -> None:
    while os.read(0, 1024):
        pass
    socket_path.unlink(missing_ok=True)
    with suppress(OSError):  # our own folder has more in it, one that was made for the socket has not
        socket_path.parent.rmdir()
    os._exit(0)


if __name__ == "__main__":
    main()
