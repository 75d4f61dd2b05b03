"""The sandbox's side of MLflow's server: starts it when first needed, asks it over a private Unix socket."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from mlops_tui.sandbox.api import ApiError, Body

START_TIMEOUT = 90.0  # seconds; it takes about five, three times that on a busy machine
ANSWER_TIMEOUT = 60.0
SOCKET_PATH_LIMIT = 100  # bytes; macOS takes 103, Linux 107


class MlflowServerError(Exception):
    """MLflow's server did not start; the message holds the end of its log."""


@dataclass(frozen=True)
class Reply:
    """What MLflow answered."""

    status: int
    content_type: str
    body: bytes

    @property
    def is_json(self) -> bool:
        return self.content_type.startswith("application/json")


class MlflowServer:
    """MLflow on SQLite in `folder`. Safe to use from any thread."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._socket = Path()
        self._idle: list[_Connection] = []

    def start(self) -> None:
        """Start it and return at once; the first question waits until it is up."""
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                self._launch()

    def stop(self) -> None:
        """End it and wait for its end. The next question starts it again."""
        with self._lock:
            process, self._process = self._process, None
            connections, self._idle = self._idle, []
        for connection in connections:
            connection.close()
        if process is None:
            return
        assert process.stdin is not None
        process.stdin.close()  # which is how it is told
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)
        _remove(self._socket)

    def forget(self) -> None:
        """Stop it and remove all that it has recorded."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def call(self, method: str, path: str, fields: Body) -> Body:
        """One call of the REST API. Raises ApiError with MLflow's own words."""
        if method == "GET":
            reply = self.ask(method, f"{path}?{urlencode(fields)}")
        else:
            reply = self.ask(method, path, json.dumps(fields).encode())
        body: Body = json.loads(reply.body) if reply.is_json else {}
        if reply.status != 200:
            raise ApiError(reply.status, body or {"error_code": "INTERNAL_ERROR", "message": reply.body.decode()})
        return body

    def ask(self, method: str, target: str, body: bytes = b"") -> Reply:
        """Pass one request on. Raises MlflowServerError when the server is not to be had."""
        self.start()
        with self._connection() as connection:
            connection.request(method, target, body or None, {"Content-Type": "application/json"})
            response = connection.getresponse()
            return Reply(response.status, response.headers.get("content-type", ""), response.read())

    @contextmanager
    def _connection(self) -> Iterator[_Connection]:
        """An open connection, given back afterwards unless it failed."""
        with self._lock:
            connection = self._idle.pop() if self._idle else None
        connection = connection or self._connect()
        try:
            yield connection
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise MlflowServerError(f"MLflow's server broke off: {error}") from error
        with self._lock:
            if connection.process is self._process:
                self._idle.append(connection)
                return
        connection.close()

    def _connect(self) -> _Connection:
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline:
            with self._lock:
                process = self._process
                connection = _Connection(self._socket, process)
            try:
                connection.connect()
            except OSError:
                connection.close()
                if process is None or process.poll() is not None:
                    raise MlflowServerError(f"MLflow's server ended while starting: {self._last_lines()}") from None
                time.sleep(0.05)
                continue
            return connection
        raise MlflowServerError(f"MLflow's server did not answer within {START_TIMEOUT:.0f} s: {self._last_lines()}")

    def _launch(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for connection in self._idle:
            connection.close()
        self._idle = []
        if self._process is not None and self._process.stdin is not None:  # one that has died
            self._process.stdin.close()
            _remove(self._socket)
        self._socket = self._socket_path()
        # What the sandbox was started with must not turn the server into a client of itself.
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "_MLFLOW_", "DATABRICKS_"))}
        log_path = self.folder / "server.log"
        log_path.touch(mode=0o600)
        with log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "mlops_tui.sandbox.mlflow_process", str(self.folder), str(self._socket)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=inherited,
                cwd=self.folder,
            )

    def _socket_path(self) -> Path:
        """In our folder, or in one of the system's where our path is longer than a socket's may be."""
        path = self.folder / "socket"
        if len(os.fsencode(path)) > SOCKET_PATH_LIMIT:
            return Path(tempfile.mkdtemp(prefix="mlops-tui-")) / "socket"
        path.unlink(missing_ok=True)  # left by one that was killed
        return path

    def _last_lines(self) -> str:
        path = self.folder / "server.log"
        lines = path.read_text(errors="replace").splitlines() if path.exists() else []
        return " / ".join(lines[-3:]) or f"see {path}"


class _Connection(http.client.HTTPConnection):
    """HTTP over a Unix socket. The standard library's client costs a fifth of httpx per call."""

    def __init__(self, socket_path: Path, process: subprocess.Popen[bytes] | None) -> None:
        super().__init__("localhost", timeout=ANSWER_TIMEOUT)
        self.socket_path = socket_path
        self.process = process  # the one that it leads to

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.socket_path))


def _remove(path: Path) -> None:
    """The socket, and its folder where nothing else is in it."""
    path.unlink(missing_ok=True)
    with suppress(OSError):
        path.parent.rmdir()
