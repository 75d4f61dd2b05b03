"""Small images for the stories of containers: a web app that starts fast and does as it is told."""

from __future__ import annotations

import hashlib
import http.client
import time
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

from mlops_tui.sandbox.images import MANIFEST_FILE, ROOT, Image, Images
from mlops_tui.sandbox.sandbox import Sandbox
from mlops_tui.sandbox.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable

SERVE = """\
import json, os, sys
print("loading", flush=True)
if os.environ.get("BROKEN"):
    sys.exit("the model cannot be loaded")

async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    path = scope["path"]
    if path == "/exit":
        os._exit(3)
    body = {"pid": os.getpid(), "umask": os.umask(0o077), "environment": dict(os.environ), "path": path}
    print(f"asked for {path}", flush=True)
    status = 200 if path in ("/ping", "/score") else 404
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": json.dumps(body).encode()})
"""


def image(folder: Path, serve: str = SERVE, command: tuple[str, ...] = ("uvicorn", "serve:app")) -> Image:
    """An image as the registry gives it, with its files in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "serve.py").write_text(serve)
    environment = {"UVICORN_HOST": "0.0.0.0", "UVICORN_PORT": "5001"}
    return Image("localhost/acr", "winequality", f"sha256:{'a' * 64}", folder, command, environment, 5001)


def ask(port: int, path: str = "/score") -> bytes:
    """What the server at that port says. Raises OSError where none answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().read()
    finally:
        connection.close()


def eventually(true: Callable[[], object], seconds: float = 20.0) -> None:
    """Wait until it is so."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"it did not happen within {seconds} s"
        time.sleep(0.02)


def pushed(folder: Path, origin: str, registry: str, serve: str = SERVE, tag: str = "1") -> str:
    """Put such an image into a registry of the sandbox in that folder; its reference by digest."""
    store = Store(folder)
    images = Images(cast(Sandbox, SimpleNamespace(store=store, folder=folder, origin=origin)))
    digest = f"sha256:{hashlib.sha256(serve.encode()).hexdigest()}"
    made = images.scratch(registry)
    (made / ROOT / "app").mkdir(parents=True)
    (made / ROOT / "app" / "serve.py").write_text(serve)
    (made / MANIFEST_FILE).write_text("{}")
    facts = {"registry": registry, "repository": "winequality", "digest": digest, "workdir": "/app"}
    run = {"command": ["uvicorn", "serve:app"], "environment": {"UVICORN_HOST": "0.0.0.0"}, "port": 5001}
    images.add(made, facts | run, [tag])
    store.close()
    return f"{origin.removeprefix('https://')}/{registry}/winequality@{digest}"
