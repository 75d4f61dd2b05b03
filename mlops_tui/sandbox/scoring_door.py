"""The front door of online endpoints: keys, traffic, and the processes that answer.

POST {origin}/api/v1/endpoint/{endpoint}/score   on Kubernetes (the path of the cluster's inference router)
POST {origin}/endpoints/{endpoint}/score         managed (on Azure: https://NAME.REGION.inference.ml.azure.com/score)

Everything happens on the server's loop and from memory. What is in flight when traffic moves, a deployment is replaced
or goes, ends where it began: processes are removed only once they answer nobody any more.

Statuses: "Troubleshoot online endpoint deployment and scoring", HTTP status codes.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from typing import TYPE_CHECKING, ClassVar

from starlette.responses import JSONResponse, PlainTextResponse, Response

from mlops_tui.sandbox.api import Body, Call, Endpoint, Service
from mlops_tui.sandbox.containers import Containers
from mlops_tui.sandbox.dialects import OPEN
from mlops_tui.sandbox.instance_connections import BrokenOffError, InstanceConnections, Reply
from mlops_tui.sandbox.online_resource import is_kubernetes
from mlops_tui.sandbox.retired import Retired
from mlops_tui.sandbox.scoring_routes import DeploymentRoute, EndpointRoute, ScoringRoutes

if TYPE_CHECKING:
    from mlops_tui.sandbox.sandbox import Sandbox

DEPLOYMENT = "azureml-model-deployment"  # the header that chooses one, and says which one answered
ROOTS = {True: "/api/v1/endpoint", False: "/endpoints"}
# Of a request and an answer; what belongs to one connection alone, or is the door's own business, is not passed on.
NOT_SENT = frozenset({"host", "content-length", "authorization", "connection", "keep-alive", "transfer-encoding"})
NOT_RETURNED = frozenset({b"content-length", b"connection", b"keep-alive", b"transfer-encoding", b"server", b"date"})
ATTEMPTS = 4  # a process that is gone cost nobody an answer while another is there
NO_ROUTE = (
    "No valid deployments to route to. Please check that the endpoint has at least one deployment with positive weight "
    "values or use a deployment specific header to route."
)


class _NoneReadyError(Exception):
    """No process of the deployment answers. `broke`: one did, until it ended in the middle of this request."""

    def __init__(self, broke: bool) -> None:
        super().__init__("broke off" if broke else "none ready")
        self.broke = broke


class ScoringDoor(Service):
    """Passes requests on. `refresh` and `retire` are for those who change what is behind it."""

    dialect = OPEN
    patience: ClassVar[float] = 0.2  # seconds between two looks for a process in the place of one that is gone

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(sandbox)
        self._routes = ScoringRoutes(sandbox)
        self._connections = InstanceConnections()
        self._loop: asyncio.AbstractEventLoop | None = None  # the server's, once somebody has asked
        self._in_flight: Counter[str] = Counter()  # requests by container
        self._retired = Retired(sandbox, self._in_flight)

    def routes(self) -> list[Endpoint]:
        managed, kubernetes = ROOTS[False], ROOTS[True]
        return [
            self.on("POST", f"{kubernetes}/{{endpoint}}/score", self.score_on_kubernetes),
            self.on("POST", f"{managed}/{{endpoint}}/score", self.score_managed),
            self.on("GET", f"{kubernetes}/{{endpoint}}/swagger.json", self.describe),
            self.on("GET", f"{managed}/{{endpoint}}/swagger.json", self.describe),
        ]

    def start(self) -> None:
        self._routes.load()
        self._retired.start()

    def stop(self) -> None:
        self._retired.stop()
        if self._loop is not None:
            asyncio.run_coroutine_threadsafe(self._connections.close(), self._loop).result(5)

    def uri(self, name: str, on_kubernetes: bool) -> str:
        return f"{self.sandbox.origin}{ROOTS[on_kubernetes]}/{name}"

    def refresh(self, endpoint_id: str) -> None:
        """The endpoint, its keys or its deployments have changed: what comes from now on goes the new way."""
        self._routes.refresh(endpoint_id)

    def close(self, endpoint: Body) -> None:
        """The endpoint is no more."""
        self._routes.forget(is_kubernetes(endpoint), endpoint["name"])

    def retire(self, containers: tuple[str, ...]) -> None:
        """Have them removed as soon as they answer nobody any more; call `refresh` afterwards."""
        self._retired.add(containers)

    async def score_on_kubernetes(self, call: Call) -> Response:
        return await self._score(call, on_kubernetes=True)

    async def score_managed(self, call: Call) -> Response:
        return await self._score(call, on_kubernetes=False)

    async def _score(self, call: Call, on_kubernetes: bool) -> Response:
        self._loop = asyncio.get_running_loop()
        response = await self._answer(call, on_kubernetes)
        response.headers["x-ms-request-id"] = call.headers.get("x-ms-request-id") or str(uuid.uuid4())
        if client_id := call.headers.get("x-ms-client-request-id"):
            response.headers["x-ms-client-request-id"] = client_id
        return response

    async def _answer(self, call: Call, on_kubernetes: bool) -> Response:
        name = call.params["endpoint"]
        route = self._routes.find(on_kubernetes, name)
        if route is None:
            return _error(404, "NotFound", f"The endpoint '{name}' could not be found.")
        if (refusal := _key_refusal(route, call)) is not None:
            return refusal
        wanted = call.headers.get(DEPLOYMENT, "")
        deployment = route.deployments.get(wanted.lower()) if wanted else route.choose()
        if deployment is None:
            missing = f"The specified deployment '{wanted}' could not be found." if wanted else NO_ROUTE
            return _error(404, "NotFound", missing)
        if 0 < deployment.limit <= sum(self._in_flight[one] for one in deployment.containers):
            return _model_trouble(429, "too_many_pending_request", deployment)
        try:
            async with asyncio.timeout(deployment.timeout):
                reply = await self._ask(call, on_kubernetes, name, deployment)
        except TimeoutError:
            return _timeout(on_kubernetes, deployment)
        except _NoneReadyError as error:
            return _not_ready(on_kubernetes, deployment, error.broke)
        return _returned(reply, on_kubernetes, deployment)

    async def _ask(self, call: Call, on_kubernetes: bool, name: str, deployment: DeploymentRoute) -> Reply:
        """By one of its processes, and by another where that one ends. Raises _NoneReadyError."""
        headers = [pair for pair in call.headers.items() if pair[0] not in NOT_SENT]
        target = deployment.path + (f"?{call.query_string}" if call.query_string else "")
        broke = False
        for _ in range(ATTEMPTS):
            container, port = self._instance(deployment)
            if not port:
                break
            self._in_flight[container] += 1
            try:
                return await self._connections.ask(port, call.method, target, headers, call.body)
            except BrokenOffError as error:
                if error.sent and broke:
                    break  # the request itself may be what ends them: two are enough
                broke = broke or error.sent
            finally:
                self._in_flight[container] -= 1
            # It ended, or has given way to another of its name while this request was on its way.
            await asyncio.sleep(self.patience)
            newer = self._routes.find(on_kubernetes, name)
            deployment = (newer.deployments.get(deployment.name.lower()) if newer else None) or deployment
        raise _NoneReadyError(broke)

    def _instance(self, deployment: DeploymentRoute) -> tuple[str, int]:
        """The one with the least to do, and its port; 0 where none is ready."""
        containers = self.sandbox.find(Containers)
        ready = []
        for name in deployment.containers:
            found = containers.look(name)
            if found is not None and found.ready:
                ready.append((self._in_flight[name], name, found.port))
        _, name, port = min(ready, default=(0, "", 0))
        return name, port

    async def describe(self, call: Call) -> Response:
        """The interface of the model, as far as the door knows it."""
        on_kubernetes = call.path.startswith(ROOTS[True])
        route = self._routes.find(on_kubernetes, call.params["endpoint"])
        if route is None:
            return _error(404, "NotFound", f"The endpoint '{call.params['endpoint']}' could not be found.")
        if (refusal := _key_refusal(route, call)) is not None:
            return refusal
        path = f"{ROOTS[on_kubernetes]}/{call.params['endpoint']}/score"
        score = {"summary": "Score", "responses": {"200": {"description": "Predictions"}}}
        return JSONResponse(
            {
                "openapi": "3.0.0",
                "info": {"title": call.params["endpoint"], "version": "1"},
                "paths": {path: {"post": score}},
            }
        )


def _key_refusal(route: EndpointRoute, call: Call) -> Response | None:
    scheme, _, secret = call.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and route.opens(secret.strip()):
        return None
    word = "token" if route.by_token else "key"
    why = f"{word}_auth_access_denied" if secret else f"{word}_auth_bad_header_missing"
    return PlainTextResponse(why, 401, {"WWW-Authenticate": "Bearer", "ms-azureml-model-error-reason": why})


def _error(status: int, code: str, message: str) -> Response:
    return JSONResponse({"error": {"code": code, "message": message}}, status)


def _model_trouble(status: int, reason: str, deployment: DeploymentRoute) -> Response:
    """As a managed endpoint tells of its model: in a header, by a word."""
    return PlainTextResponse(reason, status, {"ms-azureml-model-error-reason": reason, DEPLOYMENT: deployment.name})


def _timeout(on_kubernetes: bool, deployment: DeploymentRoute) -> Response:
    if not on_kubernetes:
        return _model_trouble(408, "model_timeout", deployment)
    message = f"The deployment '{deployment.name}' did not answer within {deployment.timeout * 1000:.0f} ms."
    response = _error(504, "GatewayTimeout", message)
    response.headers[DEPLOYMENT] = deployment.name
    return response


def _not_ready(on_kubernetes: bool, deployment: DeploymentRoute, broke: bool) -> Response:
    if not on_kubernetes:
        return _model_trouble(502 if broke else 424, "model_not_ready", deployment)
    what = "ended while it worked on the request" if broke else "has no instance that is ready"
    response = _error(
        502 if broke else 503,
        "BadGateway" if broke else "ServiceUnavailable",
        f"The deployment '{deployment.name}' {what}.",
    )
    response.headers[DEPLOYMENT] = deployment.name
    return response


def _returned(reply: Reply, on_kubernetes: bool, deployment: DeploymentRoute) -> Response:
    """What the process answered; a managed endpoint makes 424 of everything but 200, and says what it was."""
    status, extra = reply.status, {DEPLOYMENT: deployment.name}
    if status != 200 and not on_kubernetes:
        extra |= {"ms-azureml-model-error-reason": "model_error", "ms-azureml-model-error-statuscode": str(status)}
        status = 424
    response = Response(reply.body, status, extra)
    response.raw_headers.extend(pair for pair in reply.headers if pair[0] not in NOT_RETURNED)
    return response
