"""The sandbox as an ASGI application: one origin, every service's routes, faults and the request log around them."""

from __future__ import annotations

import asyncio
import inspect
import logging
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from typing import TYPE_CHECKING, cast

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from mlops_tui.sandbox import browsers
from mlops_tui.sandbox.api import ApiError, AsyncHandler, Call, Endpoint, Handler, Service, not_built
from mlops_tui.sandbox.dialects import OPEN
from mlops_tui.sandbox.faults import Fault

if TYPE_CHECKING:
    from mlops_tui.sandbox.sandbox import Sandbox

SERVICES = (
    "scoring_door:ScoringDoor",  # first, for routes are tried in this order, and nobody is asked as often
    "control:Control",
    "pages:Pages",
    "discovery:Discovery",
    "entra:Entra",
    "device_login:DeviceLogin",
    "graph:Graph",
    "graph_applications:Applications",
    "graph_service_principals:ServicePrincipals",
    "arm:Arm",
    "long_running:LongRunning",
    "authorization:Authorization",
    "subscriptions:Subscriptions",
    "resource_groups:ResourceGroups",
    "databricks_resource:DatabricksWorkspaces",
    "key_vaults:KeyVaults",
    "key_vault_secrets:KeyVaultSecrets",
    "storage_accounts:StorageAccounts",
    "monitoring:LogAnalytics",
    "monitoring:ApplicationInsights",
    "ml_workspaces:MlWorkspaces",
    "ml_datastores:MlDatastores",
    "ml_assets:MlAssets",
    "template_deployments:TemplateDeployments",
    "containers:Containers",
    "registry_blobs:RegistryBlobs",
    "registry_builds:RegistryBuilds",
    "registry_tokens:RegistryTokens",
    "registry_data_plane:RegistryDataPlane",
    "registry_metadata:RegistryMetadata",
    "container_registries:ContainerRegistries",
    "container_groups:ContainerGroups",
    "kubernetes_clusters:KubernetesClusters",
    "kubernetes_extensions:KubernetesExtensions",
    "ml_compute:MlComputes",
    "online_endpoints:OnlineEndpoints",
    "online_deployments:OnlineDeployments",
    "resource_groups:AnyResource",
    "pipelines.service:Pipelines",  # before the hosts, which register with it
    "devops_areas:Areas",
    "devops_organizations:Organizations",
    "devops_projects:Projects",
    "devops_git:DevOpsRepositories",
    "devops_contents:RepositoryContents",
    "devops_definitions:Definitions",
    "devops_pools:Pools",
    "devops_environments:Environments",
    "devops_connections:Connections",
    "devops_runs:DevOpsRuns",
    "devops_builds:DevOpsBuilds",
    "devops_approvals:Approvals",
    "members:Members",
    "scim:Scim",
    "secrets:Secrets",
    "workspace_files:WorkspaceFiles",
    "git_credentials:GitCredentials",
    "git_folders:GitFolders",
    "dbfs:Dbfs",
    "unity_catalog:UnityCatalog",
    "artifacts:Artifacts",
    "files:Files",
    "permissions:Permissions",
    "clusters:Clusters",
    "libraries:Libraries",
    "jobs:Jobs",
    "runs:Runs",
    "registry:Registry",
    "tracking:Tracking",
    "github_repositories:GitHubRepositories",
    "github_git:GitHubGit",
    "github_secrets:GitHubSecrets",
    "github_environments:GitHubEnvironments",
    "github_variables:GitHubVariables",
    "github_oidc:GitHubOidc",
    "github_workflows:GitHubWorkflows",
    "github_runs:GitHubRuns",
    "github_side:GitHubSide",
    # Last: their paths fit nearly every other's.
    "blob_containers:BlobContainers",
    "blobs:Blobs",
)
log = logging.getLogger("mlops_tui.sandbox")


def load_services(sandbox: Sandbox) -> list[Service]:
    """Every service, in the order of SERVICES: where two routes match, the first wins."""
    for place in SERVICES:
        module, _, name = place.partition(":")
        service_class: type[Service] = getattr(import_module(f"mlops_tui.sandbox.{module}"), name)
        sandbox.services.append(service_class(sandbox))
    return sandbox.services


class _Droppable(Starlette):
    """Starlette with a way to hang up: ASGI itself has none, so the server's connection is handed down to faults.

    Resource Manager's paths may have doubled slashes, and some that `az` asks for do.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith("/subscriptions/"):
            scope["path"] = re.sub("//+", "/", scope["path"])
        scope["hang_up"] = getattr(getattr(send, "__self__", None), "transport", None)
        await super().__call__(scope, receive, send)


def application(sandbox: Sandbox) -> Starlette:
    """The ASGI application; its lifespan starts and stops the services."""
    services = load_services(sandbox)
    routes = [_route(sandbox, endpoint) for service in services for endpoint in service.routes()]

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        for service in services:
            await run_in_threadpool(service.start)
        yield
        for service in reversed(services):
            await run_in_threadpool(service.stop)
        sandbox.requests.close()
        sandbox.store.close()

    async def unknown(request: Request, _: Exception) -> Response:
        return await _dispatch(sandbox, Endpoint(request.method, "", _not_built, OPEN), request)

    # 404: no route; 405: a route, but not with this method. Both say loudly what is missing.
    return _Droppable(routes=routes, lifespan=lifespan, exception_handlers={404: unknown, 405: unknown})


def _not_built(call: Call) -> Response:
    raise not_built(call)


def _route(sandbox: Sandbox, endpoint: Endpoint) -> Route:
    async def handle(request: Request) -> Response:
        return await _dispatch(sandbox, endpoint, request)

    route = Route(endpoint.path, handle, methods=[endpoint.method])
    if endpoint.dialect.ignores_case:
        route.path_regex = re.compile(route.path_regex.pattern, re.IGNORECASE)
    return route


async def _dispatch(sandbox: Sandbox, endpoint: Endpoint, request: Request) -> Response:
    started = time.perf_counter()
    call = Call(
        method=request.method,
        path=request.url.path,
        params=request.path_params,
        query_string=request.url.query,
        headers=dict(request.headers),
        body=await request.body(),
        dialect=endpoint.dialect,
        raw_path=request.scope.get("raw_path", b"").decode("ascii", "replace"),
    )
    why_not = browsers.objection(call.headers)
    spared = why_not or call.path.startswith("/_sandbox")
    fault = None if spared else sandbox.faults.strike(call.method, call.path)
    if why_not:
        response: Response = call.dialect.error(403, "Forbidden", why_not).response()
    else:
        response = await _under(fault, sandbox, endpoint, call)
    caller = call.principal.name if call.principal else ""
    sandbox.requests.add(
        call.method,
        call.path,
        response.status_code,
        caller,
        time.perf_counter() - started,
        call.headers.get("user-agent", "")[:80],
    )
    if fault and fault.drop:
        request.scope["hang_up"].abort()
        await asyncio.sleep(0)  # the server hears of it, and then sends nothing more
    return response


async def _under(fault: Fault | None, sandbox: Sandbox, endpoint: Endpoint, call: Call) -> Response:
    """The answer, late or replaced where a fault is on order."""
    if fault and fault.delay:
        await asyncio.sleep(fault.delay)
    if not fault or not fault.status:
        if inspect.iscoroutinefunction(endpoint.handler):
            return await _pass_on(endpoint, call)
        return await run_in_threadpool(_work, sandbox, endpoint, call)
    response = call.dialect.fault(fault.status).response()
    if fault.retry_after:
        response.headers["Retry-After"] = str(fault.retry_after)
    return response


def _work(sandbox: Sandbox, endpoint: Endpoint, call: Call) -> Response:
    try:
        call.principal = endpoint.dialect.sign_in(sandbox, call)
        result = cast(Handler, endpoint.handler)(call)
    except ApiError as error:
        return error.response()
    except Exception:  # a defect of ours must not take the server down, and must be found again in its log
        log.exception("%s %s", call.method, call.path)
        return _defect(call)
    return result if isinstance(result, Response) else JSONResponse(result)


async def _pass_on(endpoint: Endpoint, call: Call) -> Response:
    """By a handler on this loop, which signs the caller in itself."""
    handler = cast(AsyncHandler, endpoint.handler)
    try:
        return await handler(call)
    except ApiError as error:
        return error.response()
    except Exception:  # as in _work
        log.exception("%s %s", call.method, call.path)
        return _defect(call)


def _defect(call: Call) -> Response:
    return call.dialect.error(500, "InternalServerError", "The sandbox failed; its log says where.").response()
