"""The sandbox as a process: start on demand, look, stop, reset. Its folder is all it has; one folder, one sandbox."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mlops_tui.sandbox.ports import is_free

START_TIMEOUT = 60.0  # seconds until a started sandbox answers; it takes about two
STOP_TIMEOUT = 10.0
ANSWER_TIMEOUT = 5.0
STRANGER_TIMEOUT = 0.5


class SandboxError(Exception):
    """The sandbox did not start; its log says why."""


class PortTakenError(SandboxError):
    """Another program holds the port that this sandbox's URLs name."""


@dataclass(frozen=True)
class Address:
    """Where a sandbox is; written to sandbox.json, holds no secret."""

    port: int
    pid: int = 0

    @property
    def origin(self) -> str:
        return f"https://localhost:{self.port}"


def read_address(folder: Path) -> Address | None:
    """The address last used in this folder, whether or not it is up."""
    try:
        return Address(**json.loads((folder / "sandbox.json").read_text()))
    except (OSError, ValueError, TypeError):
        return None


def write_address(folder: Path, address: Address) -> None:
    """Atomic: a reader sees the old one or the new one."""
    fresh = folder / "sandbox.json.new"
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(json.dumps(asdict(address)))
    fresh.replace(folder / "sandbox.json")


def status(folder: Path) -> Address | None:
    """The address, where a sandbox of this folder answers there; None otherwise."""
    address = read_address(folder)
    if address is None or not (folder / "ca.pem").exists():
        return None
    gone = address.pid and not _alive(address.pid)  # then whoever has the port is a stranger, and may never answer
    try:
        answer = ask(folder, address, "GET", "/_sandbox", timeout=STRANGER_TIMEOUT if gone else ANSWER_TIMEOUT)
    except (OSError, ValueError):
        return None
    return Address(address.port, answer["pid"]) if answer.get("folder") == str(folder.resolve()) else None


def ask(
    folder: Path, address: Address, method: str, path: str, body: Any = None, timeout: float = ANSWER_TIMEOUT
) -> Any:
    """One call to the sandbox's own door. Raises OSError when nobody answers."""
    context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(address.origin + path, data=data, method=method)  # noqa: S310 (https, above)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    with opener.open(request, timeout=timeout) as response:
        text = response.read()
    return json.loads(text) if text else None


def start(folder: Path, port: int = 0) -> Address:
    """Start it if it is not up, and wait until it answers.

    The port is kept over restarts, for it is part of every URL the sandbox has given out; `port` chooses it the first
    time (0: any free one). Raises SandboxError.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _lock(folder):
        if running := status(folder):
            return running
        kept = read_address(folder)
        port = port or (kept.port if kept else 0) or _free_port()
        if not is_free(port):
            raise PortTakenError(f"Another program holds port {port}, where the practice cloud lives.")
        write_address(folder, Address(port))
        return _launch(folder, port)


def _launch(folder: Path, port: int) -> Address:
    log_path = folder / "server.log"
    log_path.touch(mode=0o600)
    with log_path.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "mlops_tui.sandbox", str(folder), str(port)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl+C in the terminal that started it is not for it
            cwd=folder,
        )
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise SandboxError(f"The sandbox ended while starting (port {port}): {_last_lines(log_path)}")
        if running := status(folder):
            threading.Thread(target=process.wait, daemon=True).start()  # so that its end leaves no zombie with us
            return running
        time.sleep(0.05)
    process.kill()
    raise SandboxError(f"The sandbox did not answer within {START_TIMEOUT:.0f} s: {_last_lines(log_path)}")


def stop(folder: Path) -> bool:
    """Stop it in good order, by force after a while; False where none was up."""
    with _lock(folder):
        running = status(folder)
        if running is None:
            return False
        _signal(running.pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_TIMEOUT
        while time.monotonic() < deadline:
            if not _alive(running.pid):
                return True
            time.sleep(0.05)
        _signal(running.pid, signal.SIGKILL)
        return True


def reset(folder: Path) -> None:
    """Stop it and forget everything but the port."""
    address = read_address(folder)
    stop(folder)
    if folder.exists():
        shutil.rmtree(folder)
    if address:
        folder.mkdir(parents=True, mode=0o700)
        write_address(folder, Address(address.port))


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Two commands that start at once start one sandbox. The lock stands beside the folder: reset removes that."""
    folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder.parent / f"{folder.name}.lock"
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _signal(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):  # it has just ended by itself
        os.kill(pid, number)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, PermissionError):  # the number of none, or of somebody else's
        return False
    stat = Path(f"/proc/{pid}/stat")  # a zombie of ours has ended, too (Linux)
    return not (stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z")


def _last_lines(path: Path) -> str:
    lines = [line for line in path.read_text(errors="replace").splitlines() if line.strip()]
    return " / ".join(lines[-3:]) or f"see {path}"
