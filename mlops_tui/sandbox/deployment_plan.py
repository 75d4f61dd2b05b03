"""From an online deployment's document to how it shall run: model, environment, routes, settings, all checked.

Defaults: Azure ML's CLI (v2) online deployment YAML schema (request_settings, liveness_probe, readiness_probe).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from mlops_tui.sandbox.api import Body
from mlops_tui.sandbox.generations import Plan
from mlops_tui.sandbox.ml_assets import VERSION
from mlops_tui.sandbox.online_resource import is_kubernetes

if TYPE_CHECKING:
    from mlops_tui.sandbox.store import Store

REQUESTS = {"maxConcurrentRequestsPerInstance": 1, "maxQueueWait": "PT0.5S", "requestTimeout": "PT5S"}
PROBE = {"failureThreshold": 30, "successThreshold": 1, "timeout": "PT2S", "period": "PT10S", "initialDelay": "PT10S"}
RESOURCES = {"containerResourceRequests": {"cpu": "100m", "memory": "2Gi"}}
LONGEST_TIMEOUT = 180.0  # seconds, of a managed endpoint
MOST_INSTANCES = 20
ASSET = re.compile(r"(?:azureml:)?/?(?P<workspace>subscriptions/.+?/workspaces/[^/]+)/(?P<tail>.+)", re.IGNORECASE)
SHORT = re.compile(r"(?:azureml:)?(?P<name>[^/:@]+)(?::(?P<version>[^/]+)|@(?P<label>\w+))?")
DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?")
INSTANCE_TYPE = re.compile(r"Standard_[A-Z]+\d[A-Za-z0-9_-]*")


class PlanError(ValueError):
    """The message is for the caller."""


def seconds(duration: Any) -> float:
    """Of an ISO 8601 duration such as PT1M30S. Raises PlanError."""
    found = DURATION.fullmatch(str(duration))
    if found is None or not any(found.groups()):
        raise PlanError(f"'{duration}' is not a duration as ISO 8601 writes it, such as PT5S.")
    return sum(float(part or 0) * unit for part, unit in zip(found.groups(), (86400, 3600, 60, 1), strict=True))


def whole(asked: Body, endpoint: Body) -> Body:
    """A deployment's properties with what Azure fills in."""
    kubernetes = is_kubernetes(endpoint)
    kind = "Kubernetes" if kubernetes else "Managed"
    if str(asked.get("endpointComputeType") or kind).lower() != kind.lower():
        raise PlanError(
            f"The deployment is of type {asked['endpointComputeType']}; a deployment of the endpoint "
            f"'{endpoint['name']}' must be of type {kind}."
        )
    given = {name: value for name, value in asked.items() if value is not None}
    properties: Body = {
        "appInsightsEnabled": False,
        "environmentVariables": {},
        "properties": {},
        "scaleSettings": {"scaleType": "Default"},
    }
    properties |= given | {"endpointComputeType": kind}
    properties["requestSettings"] = REQUESTS | _filled(given.get("requestSettings"))
    for probe in ("livenessProbe", "readinessProbe"):
        properties[probe] = PROBE | _filled(given.get(probe))
    if kubernetes:
        properties.setdefault("containerResourceRequirements", RESOURCES)
        properties.setdefault("instanceType", "defaultinstancetype")
    else:
        properties.setdefault("egressPublicNetworkAccess", "Enabled")
        if not INSTANCE_TYPE.fullmatch(str(properties.get("instanceType") or "")):
            raise PlanError(
                f"The instance type '{properties.get('instanceType') or ''}' is not supported for managed online "
                "endpoints: name a virtual machine size such as Standard_DS3_v2."
            )
    return properties


def _filled(given: Any) -> Body:
    return {name: value for name, value in (given or {}).items() if value is not None}


class Planner:
    """Looks up what a deployment names. Holds no state: make one wherever it is needed."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def plan(self, workspace: Body, endpoint: Body, properties: Body, capacity: int) -> Plan:
        """Of properties that are `whole`. Raises PlanError for what is not there or cannot be."""
        if not 1 <= capacity <= MOST_INSTANCES:
            raise PlanError(f"The instance count must be from 1 to {MOST_INSTANCES}; it is {capacity}.")
        kubernetes, requests = is_kubernetes(endpoint), properties["requestSettings"]
        model = self._asset(workspace, "models", str(properties.get("model") or ""))
        environment = self._asset(workspace, "environments", str(properties.get("environmentId") or ""))
        image, routes = _image_of(environment)
        if not image and not model:
            raise PlanError("A deployment needs an environment with an image, or an MLflow model.")
        timeout = seconds(requests["requestTimeout"])
        if not 0 < timeout <= LONGEST_TIMEOUT:
            raise PlanError(f"requestTimeout must be at most {LONGEST_TIMEOUT:.0f} seconds; it is {timeout:g}.")
        probe = properties["readinessProbe"]
        return Plan(
            image=image,
            model=model["id"] if model else "",
            environment={str(name): str(value) for name, value in properties["environmentVariables"].items()},
            instances=capacity,
            readiness_path=_path(routes, "readinessRoute", "/ping" if not image else "/"),
            scoring_path=_path(routes, "scoringRoute", "/score"),
            port=int((routes.get("scoringRoute") or {}).get("port") or 0),
            timeout=timeout,
            # Azure: 2 * max_concurrent_requests_per_instance * instance_count; a cluster's router lets them wait.
            limit=0 if kubernetes else 2 * int(requests["maxConcurrentRequestsPerInstance"]) * capacity,
            patience=seconds(probe["initialDelay"]) + seconds(probe["period"]) * int(probe["failureThreshold"]),
            on_kubernetes=kubernetes,
        )

    def _asset(self, workspace: Body, kind: str, reference: str) -> Body | None:
        """A version of a model or an environment, by ARM id or by name:version; None where nothing is named."""
        if not reference:
            return None
        if found := ASSET.fullmatch(reference):
            place = f"/{found['workspace']}/{found['tail']}"
        elif (short := SHORT.fullmatch(reference)) and short["version"]:
            place = f"{workspace['id']}/{kind}/{short['name']}/versions/{short['version']}"
        else:
            place = ""
        asset = self._store.get(VERSION, place.lower()) if f"/{kind}/" in place.lower() else None
        if asset is None:
            what = kind.removesuffix("s")
            raise PlanError(f"The {what} '{reference}' was not found in workspace {workspace['name']}.")
        return asset


def _image_of(environment: Body | None) -> tuple[str, Body]:
    """The image that an environment names, and its inference routes. Raises PlanError where one must be built first."""
    if environment is None:
        return "", {}
    facts = environment["properties"]
    *_, name, _, version = environment["id"].split("/")
    if facts.get("condaFile") or facts.get("build"):
        raise PlanError(
            f"The environment '{name}:{version}' would have to be built (it has a conda file or a build context). "
            "The sandbox serves images that are ready: build one in a container registry and name it alone."
        )
    image = str(facts.get("image") or "")
    if not image:
        raise PlanError(f"The environment '{name}:{version}' names no image.")
    return image, facts.get("inferenceConfig") or {}


def _path(routes: Body, name: str, default: str) -> str:
    path = str((routes.get(name) or {}).get("path") or default)
    return path if path.startswith("/") else f"/{path}"
