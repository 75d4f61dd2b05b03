"""The engine behind a pipe: requests in, events out, a JSON line each. What the terminal app talks to.

    in   {"id": "7", "do": "up", "arguments": {"runs": [{"alpha": 0.5, "l1_ratio": 0.5}]}}
         {"id": "8", "do": "cancel", "arguments": {"id": "7"}}
    out  {"request": "7", "event": {"type": "step_state", …}}
         {"request": "9", "secret": "…"}                        an endpoint's key, for whoever asked for it
         {"request": "7", "exit_code": 0}                       the last line of a request
         {"request": "", "event": {"type": "log_line", …}}      what signing in takes: it is for all requests

When the pipe closes the worker finishes the write in hand, starts nothing more and ends: the cloud is the truth, and
whoever starts next looks again.
"""

from __future__ import annotations

import json
import threading
import time
import traceback
from collections.abc import Iterable
from typing import Any, TextIO

from mlops_tui.engine import card
from mlops_tui.errors import MlopsError, UsageError
from mlops_tui.events import Event, LogLine, Problem, to_json
from mlops_tui.redaction import redacted
from mlops_tui.worker_requests import REQUESTS
from mlops_tui.worker_service import Call, Service, Surroundings

END_SECONDS = 20.0  # how long the writes in hand may take after the pipe has closed


class Worker:
    """Serves requests, each on a thread of its own, until the input ends."""

    def __init__(self, surroundings: Surroundings, out: TextIO) -> None:
        self._service = Service(surroundings, lambda text: self._send("", LogLine(source="sign-in", text=text)))
        self._out = out
        self._lock = threading.Lock()
        self._running: dict[str, threading.Event] = {}  # by request: set it, and the request stops
        self._threads: list[threading.Thread] = []

    def serve(self, requests: Iterable[str]) -> None:
        """Until the input ends. Then: cancel what runs, and wait for it a while."""
        for line in requests:
            if line.strip():
                self._begin(line)
        self._stop_all()
        deadline = time.monotonic() + END_SECONDS
        for thread in self._threads:
            thread.join(max(deadline - time.monotonic(), 0.0))
        self._service.close()

    def _begin(self, line: str) -> None:
        try:
            request = json.loads(line)
            request_id, wanted = str(request["id"]), str(request["do"])
            arguments = dict(request.get("arguments") or {})
            flags = {str(name): str(value) for name, value in dict(arguments.get("flags") or {}).items()}
            call = Call(
                request_id,
                wanted,
                flags,
                arguments,
                lambda event: self._send(request_id, event),
                lambda secret: self._send_secret(request_id, secret),
            )
        except (ValueError, KeyError, TypeError) as error:
            self._refuse(
                "", UsageError("A request that cannot be read.", problems=(f"{type(error).__name__}: {error}",))
            )
            return
        if wanted == "cancel":
            self._cancel(request_id, str(arguments.get("id", "")))
        elif wanted not in REQUESTS:
            known = ", ".join(["cancel", *REQUESTS])
            self._refuse(request_id, UsageError(f"There is no request {wanted!r}.", hint=f"There are: {known}."))
        elif request_id in self._running:
            self._refuse(request_id, UsageError(f"A request {request_id!r} is running already; give each its own id."))
        else:
            self._running[request_id] = call.cancelled  # before the thread: a cancel may be the next line
            thread = threading.Thread(target=self._run, args=(call,), name=f"request {wanted}", daemon=True)
            self._threads = [*(thread for thread in self._threads if thread.is_alive()), thread]
            thread.start()

    def _run(self, call: Call) -> None:
        """Whatever happens, the request has a last line: whoever sent it waits for that."""
        try:
            exit_code = self._service.perform(REQUESTS[call.do], call)
        except MlopsError as error:
            call.show(Problem(error=card(error)))
            exit_code = error.exit_code
        except Exception as defect:  # noqa: BLE001 (a defect of ours ends the request, not the worker)
            call.show(Problem(error=card(_defect(defect))))
            exit_code = MlopsError.exit_code
        del self._running[call.id]
        self._write({"request": call.id, "exit_code": exit_code})

    def _cancel(self, request_id: str, running: str) -> None:
        cancelled = self._running.get(running)
        if cancelled is None:
            self._refuse(request_id, UsageError(f"No request {running!r} is running."))
            return
        cancelled.set()
        self._write({"request": request_id, "exit_code": 0})

    def _stop_all(self) -> None:
        for cancelled in list(self._running.values()):
            cancelled.set()

    def _refuse(self, request_id: str, error: MlopsError) -> None:
        self._send(request_id, Problem(error=card(error)))
        self._write({"request": request_id, "exit_code": error.exit_code})

    def _send(self, request_id: str, event: Event) -> None:
        self._write({"request": request_id, "event": to_json(event)})

    def _send_secret(self, request_id: str, secret: str) -> None:
        """As it is: whoever asked for it is on the other end of the pipe."""
        self._write_line(json.dumps({"request": request_id, "secret": secret}))

    def _write(self, message: dict[str, Any]) -> None:
        self._write_line(json.dumps(redacted(message), ensure_ascii=False))

    def _write_line(self, line: str) -> None:
        try:
            with self._lock:
                self._out.write(line + "\n")
                self._out.flush()
        except OSError:  # nobody reads any more: as when the input ends
            self._stop_all()


def _defect(defect: Exception) -> MlopsError:
    raw = "".join(traceback.format_exception(defect))
    return MlopsError(
        f"This program has a defect: {type(defect).__name__}: {defect}.",
        hint="Please report it, with the raw error; then run the same command again: it goes on where it stopped.",
        raw=raw,
    )
