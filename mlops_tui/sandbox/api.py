"""What every service of the sandbox is written in: a Service answers Calls by its routes.

Handlers are plain functions that run on a thread of their own, so that they may wait for SQLite or for a process. A
coroutine function runs on the server's own loop instead, where nothing may wait: it only passes on.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import parse_qs

from starlette.responses import JSONResponse, Response

if TYPE_CHECKING:
    from mlops_tui.sandbox.dialects import Dialect
    from mlops_tui.sandbox.sandbox import Sandbox

Body = dict[str, Any]


@dataclass(frozen=True)
class Principal:
    """Who calls: a user or a service principal of the one directory."""

    object_id: str
    name: str  # a user's principal name; a service principal's application id
    display_name: str
    is_user: bool
    app_id: str = ""


class ApiError(Exception):
    """An answer that says no, in the words of the service that gives it (see `dialects`)."""

    def __init__(self, status: int, body: Body, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(json.dumps(body))
        self.status = status
        self.body = body
        self.headers = dict(headers or {})

    def response(self) -> Response:
        return JSONResponse(self.body, status_code=self.status, headers=self.headers)


@dataclass
class Call:
    """One request, read whole."""

    method: str
    path: str
    params: Mapping[str, str]  # from the path
    query_string: str
    headers: Mapping[str, str]  # names in lower case
    body: bytes
    dialect: Dialect
    principal: Principal | None = None
    raw_path: str = ""  # as it was sent, escapes and all: what some signatures are made of

    @property
    def caller(self) -> Principal:
        """The principal, where the dialect has made sure that there is one."""
        assert self.principal is not None
        return self.principal

    @property
    def query(self) -> dict[str, str]:
        """The last value of each query parameter; see `query_all` for repeated ones."""
        return {name: values[-1] for name, values in self.query_all.items()}

    @property
    def query_all(self) -> dict[str, list[str]]:
        return parse_qs(self.query_string, keep_blank_values=True)

    def json(self) -> Body:
        """The body as an object; an empty body is an empty object. Raises ApiError (400) on anything else."""
        if not self.body.strip():
            return {}
        try:
            value = json.loads(self.body)
        except ValueError as error:
            raise self.dialect.malformed(f"The request body is not valid JSON: {error}") from error
        if not isinstance(value, dict):
            raise self.dialect.malformed("The request body must be a JSON object.")
        return value

    def form(self) -> dict[str, str]:
        """An application/x-www-form-urlencoded body."""
        pairs = parse_qs(self.body.decode("utf-8", "replace"), keep_blank_values=True)
        return {name: values[-1] for name, values in pairs.items()}

    def need(self, name: str) -> Any:
        """A field of the JSON body (or, for GET, of the query) that must be there; the dialect's 400 otherwise."""
        source = self.query if self.method in ("GET", "HEAD") else self.json()
        if source.get(name) in (None, ""):
            raise self.dialect.malformed(f"Missing required field: {name}")
        return source[name]


Handler = Callable[[Call], Body | Response]
AsyncHandler = Callable[[Call], Awaitable[Response]]


@dataclass(frozen=True)
class Endpoint:
    """A method and a path (Starlette's syntax: {name}, {rest:path}) with what answers it."""

    method: str
    path: str
    handler: Handler | AsyncHandler
    dialect: Dialect


class Service:
    """One service of the cloud. Subclasses set a dialect, list their routes and may start and stop things."""

    dialect: ClassVar[Dialect]

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.store = sandbox.store

    def routes(self) -> list[Endpoint]:
        raise NotImplementedError

    def start(self) -> None:
        """Called once, when the sandbox starts and before it answers; must be quick."""

    def stop(self) -> None:
        """Called once, when the sandbox stops in good order. A killed sandbox never calls it."""

    def forget_workspace(self) -> None:
        """The Databricks workspace was deleted: so is all that was in it."""

    def on(self, method: str, path: str, handler: Handler | AsyncHandler, dialect: Dialect | None = None) -> Endpoint:
        return Endpoint(method, path, handler, dialect or self.dialect)


def answer(body: Body, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer other than a plain 200."""
    return JSONResponse(body, status_code=status, headers=dict(headers or {}))


def not_built(call: Call) -> ApiError:
    """In the shape of Azure and of Databricks at once: whose path it was meant to be is not known."""
    text = f"The sandbox does not have {call.method} {call.path} (yet); nothing was done."
    body = {"error": {"code": "NotImplemented", "message": text}, "error_code": "NOT_IMPLEMENTED", "message": text}
    return ApiError(501, body)


def empty(status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(status_code=status, headers=dict(headers or {}))
