"""Served models: how soon staging and production answer, beside MLflow's own scoring server with the very same model.

MLflow's is started as `mlflow models serve --env-manager local` starts it: uvicorn with mlflow.pyfunc.scoring_server.
All are asked in turn by one client, so that what else the machine does hits all alike; times are the client's.
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

WARM_UP, REQUESTS = 30, 400
THREADS, ROUNDS, LOAD_SECONDS = 4, 4, 1.5
ANSWER_SECONDS = 30.0  # whoever takes longer than that has failed
START_SECONDS = 120.0
BARE = "mlflow.pyfunc.scoring_server"


@dataclass(frozen=True)
class Door:
    """Where a model is asked for predictions; `key` opens it, if it takes one."""

    name: str
    url: str
    key: str = ""
    ca: str = ""

    def connect(self) -> http.client.HTTPConnection:
        place = urlsplit(self.url)
        where = (place.hostname or "127.0.0.1", place.port)
        if place.scheme != "https":
            return http.client.HTTPConnection(*where, timeout=ANSWER_SECONDS)
        trust = ssl.create_default_context(cafile=self.ca)
        return http.client.HTTPSConnection(*where, timeout=ANSWER_SECONDS, context=trust)

    def ask(self, connection: http.client.HTTPConnection, body: bytes) -> list[float]:
        """The predictions. Raises RuntimeError for any other answer."""
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {self.key}"} if self.key else {})
        connection.request("POST", urlsplit(self.url).path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{self.name} answers {answer.status}: {content[:300]!r}")
        predictions: list[float] = json.loads(content)["predictions"]
        return predictions


@dataclass(frozen=True)
class Served:
    """What was measured at one door: seconds of a request alone, and requests a second under load."""

    name: str
    p50: float
    p95: float
    rate: float


def measure(environment: Mapping[str, str], data: Path, folder: Path) -> list[Served]:
    """Staging and production as they are in the practice cloud of `data`, and the bare server last."""
    doors, body = _doors(_ask_worker(environment, folder), data)
    model = _model_of_image(data)
    with _bare_server(model, environment, folder) as bare:
        doors.append(bare)
        seconds = _alone(doors, body)
        rounds = [[_under_load(door, body) for door in doors] for _ in range(ROUNDS)]
    return [
        Served(door.name, statistics.median(taken), statistics.quantiles(taken, n=20)[-1], statistics.median(rates))
        for door, taken, *rates in zip(doors, seconds, *rounds, strict=True)
    ]


def table(served: Sequence[Served]) -> str:
    """Markdown; the ratios are ours ÷ the bare server's, which is the last."""
    rows = [
        f"| one row, asked by | p50 (ms) | ratio | p95 (ms) | ratio | requests/s, {THREADS} threads | ratio |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    bare = served[-1]
    for one in served:
        ratios = [one.p50 / bare.p50, one.p95 / bare.p95, one.rate / bare.rate]
        shown = [f"{ratio:.2f}" if one is not bare else "1" for ratio in ratios]
        rows.append(
            f"| {one.name} | {one.p50 * 1000:.1f} | {shown[0]} | {one.p95 * 1000:.1f} | {shown[1]} "
            f"| {one.rate:.0f} | {shown[2]} |"
        )
    return "\n".join(rows)


def _ask_worker(environment: Mapping[str, str], folder: Path) -> dict[str, Any]:
    """Where both stages are, their keys, and a row: what the terminal app asks its worker for."""
    wanted: dict[str, tuple[str, dict[str, Any]]] = {
        "endpoints": ("endpoints", {}),
        "rows": ("rows", {"limit": 1}),
        "staging": ("endpoint_key", {"stage": "staging"}),
        "production": ("endpoint_key", {"stage": "production"}),
    }
    found: dict[str, Any] = {}
    worker = subprocess.Popen(
        [sys.executable, "-m", "mlops_tui", "worker"],
        env=dict(environment),
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert worker.stdin is not None
    assert worker.stdout is not None
    overdue = threading.Timer(START_SECONDS, worker.kill)
    overdue.start()
    with worker:
        try:
            for name, (do, arguments) in wanted.items():
                print(json.dumps({"id": name, "do": do, "arguments": arguments}), file=worker.stdin, flush=True)
            waiting = set(wanted)
            for message in map(json.loads, worker.stdout):
                if "secret" in message:
                    found[message["request"]] = message["secret"]
                elif message.get("event", {}).get("type") in ("endpoints_read", "rows_read"):
                    found[message["request"]] = message["event"]
                elif "exit_code" in message:
                    waiting.discard(message["request"])
                if not waiting:
                    break
        finally:
            overdue.cancel()
            worker.kill()
    if missing := set(wanted) - set(found):
        raise RuntimeError(f"The worker did not tell {', '.join(sorted(missing))}.")
    return found


def _doors(told: Mapping[str, Any], data: Path) -> tuple[list[Door], bytes]:
    """Both stages, and the body of a request for one row."""
    urls = {one["stage"]: one["url"] for one in told["endpoints"]["endpoints"]}
    ca = str(data / "sandbox" / "ca.pem")
    doors = [
        Door("staging: the container itself", urls["staging"], told["staging"], ca),
        Door("production: through the endpoint, TLS", urls["production"], told["production"], ca),
    ]
    (row,) = told["rows"]["rows"]
    body = {"dataframe_split": {"columns": list(row), "data": [list(row.values())]}}
    return doors, json.dumps(body).encode()


def _model_of_image(data: Path) -> Path:
    """The model's files, as they were copied into the image that both stages answer with."""
    found = [path.parent for path in (data / "sandbox").rglob("app/model/MLmodel")]
    if not found:
        raise RuntimeError("No image of the practice cloud holds a model.")
    return found[0]


@contextmanager
def _bare_server(model: Path, environment: Mapping[str, str], folder: Path) -> Iterator[Door]:
    """MLflow's own, until the block ends."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    command = ["uvicorn", "--host", "127.0.0.1", "--port", str(port), f"{BARE}.app:app"]
    given = {"__pyfunc_model_path__": model.as_uri(), "MLFLOW_DISABLE_TELEMETRY": "true"}
    log = (folder / "bare.log").open("wb")
    server = subprocess.Popen(
        [sys.executable, "-m", *command], env={**environment, **given}, cwd=folder, stdout=log, stderr=log
    )
    try:
        _wait_until_it_answers(server, port, folder / "bare.log")
        yield Door(BARE, f"http://127.0.0.1:{port}/invocations")
    finally:
        server.kill()
        server.wait(20)
        log.close()


def _wait_until_it_answers(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{BARE} did not start:\n{log.read_text()[-2000:]}") from None
            time.sleep(0.1)


def _alone(doors: Sequence[Door], body: bytes) -> list[list[float]]:
    """Seconds of each request, a list for each door; asked in turn, one request at a time."""
    connections = [door.connect() for door in doors]
    seconds: list[list[float]] = [[] for _ in doors]
    try:
        answers = [door.ask(one, body) for door, one in zip(doors, connections, strict=True)]
        if any(answer != answers[-1] for answer in answers):
            raise RuntimeError(f"The doors do not agree: {answers}")
        for number in range(WARM_UP + REQUESTS):
            for door, connection, taken in zip(doors, connections, seconds, strict=True):
                started = time.perf_counter()
                door.ask(connection, body)
                if number >= WARM_UP:
                    taken.append(time.perf_counter() - started)
    finally:
        for connection in connections:
            connection.close()
    return seconds


def _under_load(door: Door, body: bytes) -> float:
    """Requests a second from some threads, each with a connection of its own, the next when the last is answered."""
    answered, failures = [0] * THREADS, []
    started = time.perf_counter()
    end = started + LOAD_SECONDS

    def work(number: int) -> None:
        connection = door.connect()
        try:
            while time.perf_counter() < end:
                door.ask(connection, body)
                answered[number] += 1
        except (OSError, http.client.HTTPException, RuntimeError) as error:
            failures.append(error)
        finally:
            connection.close()

    workers = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(THREADS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(LOAD_SECONDS + 2 * ANSWER_SECONDS)
    if failures:
        raise RuntimeError(f"{door.name} failed under load: {failures[0]}")
    return sum(answered) / (time.perf_counter() - started)
