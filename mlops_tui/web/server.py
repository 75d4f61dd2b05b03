"""Serves the app on loopback, to the one browser that has been given the key.

A page from elsewhere can make a browser knock here, too: by a link, by a WebSocket (which no same-origin rule holds
back) or by a name of its own that it lets point to 127.0.0.1. So every request must be addressed to this very host and
port, come from our own page if it comes from one, and carry the key that was printed with the address; other people on
this machine do not have that either.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hmac
import secrets
import socket
from collections.abc import Iterator
from pathlib import Path

import aiohttp_jinja2
import jinja2
import textual_serve.server
from aiohttp import web
from aiohttp.typedefs import Handler
from textual_serve.app_service import AppService
from textual_serve.server import to_int

from mlops_tui.errors import UsageError

HOST = "127.0.0.1"
LARGEST, SMALLEST = 500, 10  # columns or rows that a browser may ask for
END_SECONDS = 5.0  # an app that has been asked to end may take so long
# Nothing from elsewhere, and nobody may put the page into a frame.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; font-src 'self'; img-src 'self' data:; "
    "connect-src 'self' ws://{host}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@contextlib.contextmanager
def listen(port: int) -> Iterator[socket.socket]:
    """A door on loopback. Raises UsageError where somebody else has the port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as door:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            door.bind((HOST, port))
            door.listen()
        except OSError as error:
            reason = "is taken by another program" if error.errno == errno.EADDRINUSE else f"fails: {error.strerror}"
            raise UsageError(f"Port {port} {reason}.", hint="Choose another: mlops-tui web --port PORT") from error
        yield door


class Tab(AppService):
    """One app for one tab. It ends within bounds, whatever the app does."""

    async def stop(self) -> None:
        try:
            await asyncio.wait_for(super().stop(), END_SECONDS)
        except TimeoutError:
            if self._process is not None and self._process.returncode is None:
                self._process.kill()
        if self._process is not None:
            await self._process.wait()


class AppServer(textual_serve.server.Server):
    """Textual's server behind a door that looks at who knocks."""

    def __init__(self, command: str, port: int) -> None:
        here = Path(__file__).parent
        super().__init__(command, HOST, port, title="mlops-tui", templates_path=here / "templates")
        self.key = secrets.token_urlsafe(24)
        self._cookie = f"mlops-tui-{port}"  # cookies do not keep ports apart
        self._own = here / "static"
        self._tabs: dict[web.WebSocketResponse, Tab] = {}

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.port}/?key={self.key}"

    def run(self, door: socket.socket) -> None:
        """Until Ctrl+C or SIGTERM."""
        web.run_app(self._make_app(), sock=door, print=None, access_log=None, shutdown_timeout=END_SECONDS)

    async def _make_app(self) -> web.Application:
        app = web.Application(middlewares=[self._guard])
        aiohttp_jinja2.setup(app, loader=jinja2.FileSystemLoader(self.templates_path))
        app.add_routes(
            [
                web.get("/", self._index),
                web.get("/ws", self.handle_websocket),
                web.get("/download/{key}", self.handle_download),
                web.static("/static", self.statics_path),
                web.static("/own", self._own),
            ]
        )
        app.on_shutdown.append(self.on_shutdown)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        hosts = (f"{HOST}:{self.port}", f"localhost:{self.port}")
        origin = request.headers.get("Origin")
        if request.headers.get("Host") not in hosts:
            raise web.HTTPForbidden(text="This server answers to this machine alone.\n")
        if origin is not None and origin != f"http://{request.host}":
            raise web.HTTPForbidden(text="Other pages may not use this server.\n")
        if self._fits(request.query.get("key", "")) and request.path == "/":
            # The key leaves the address bar and the history at once.
            response: web.StreamResponse = web.HTTPFound("/")
            response.set_cookie(self._cookie, self.key, httponly=True, samesite="Strict", path="/")
            return response
        if not self._fits(request.cookies.get(self._cookie, "")):
            raise web.HTTPForbidden(text="Open the address that `mlops-tui web` has printed: it holds the key.\n")
        response = await handler(request)
        if not response.prepared:
            response.headers["Content-Security-Policy"] = POLICY.format(host=request.host)
            response.headers["X-Content-Type-Options"] = "nosniff"
            response.headers["Referrer-Policy"] = "no-referrer"
            response.headers["Cache-Control"] = "no-store"
        return response

    def _fits(self, key: str) -> bool:
        return hmac.compare_digest(key.encode(), self.key.encode())

    async def _index(self, request: web.Request) -> web.Response:
        size = min(max(to_int(request.query.get("fontsize", "16"), 16), 6), 60)
        context = {"font_size": size, "websocket": f"ws://{request.host}/ws", "name": self.title}
        return aiohttp_jinja2.render_template("app_index.html", request, context)

    async def handle_websocket(self, request: web.Request) -> web.WebSocketResponse:
        """One tab: its app begins and ends with it."""
        connection = web.WebSocketResponse(heartbeat=15)

        async def close() -> None:
            await connection.close()

        await connection.prepare(request)
        tab = Tab(
            self.command,
            write_bytes=connection.send_bytes,
            write_str=connection.send_str,
            close=close,
            download_manager=self.download_manager,
        )
        self._tabs[connection] = tab
        try:
            await tab.start(_cells(request, "width", 80), _cells(request, "height", 24))
            await self._process_messages(connection, tab)
        finally:
            del self._tabs[connection]
            await tab.stop()
        return connection

    async def on_shutdown(self, app: web.Application) -> None:
        """Every tab's app ends with the server."""
        tabs = list(self._tabs.items())
        await asyncio.gather(*(connection.close(code=1001) for connection, _ in tabs))
        await asyncio.gather(*(tab.stop() for _, tab in tabs))


def _cells(request: web.Request, name: str, usual: int) -> int:
    return min(max(to_int(request.query.get(name, ""), usual), SMALLEST), LARGEST)
