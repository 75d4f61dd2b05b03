"""What somebody does with azure-ai-ml and online endpoints, from the first to the last; run in a process of its own.

The client keeps what cloud it speaks to process-wide, and waits between polls as long as its class says.
Standard input: a JSON object with origin, credentials, group, workspace, environment, compute. Standard output: what
was seen, as JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from azure.ai.ml import MLClient
from azure.ai.ml.entities import (
    KubernetesOnlineDeployment,
    KubernetesOnlineEndpoint,
    ManagedOnlineDeployment,
    ManagedOnlineEndpoint,
    OnlineRequestSettings,
)
from azure.core.exceptions import HttpResponseError
from azure.identity import ClientSecretCredential

GIVEN = json.loads(sys.stdin.read())
SEEN: dict[str, Any] = {}


def client() -> MLClient:
    origin, kept = GIVEN["origin"], GIVEN["credentials"]
    places = ("azure_portal", "resource_manager", "active_directory", "aml_resource_id", "registry_discovery_endpoint")
    cloud = dict.fromkeys(places, origin) | {"storage_endpoint": f"sandbox@{origin.removeprefix('https://')}"}
    credential = ClientSecretCredential(
        kept["tenant_id"], kept["client_id"], kept["client_secret"], authority=origin, disable_instance_discovery=True
    )
    return MLClient(
        credential,
        kept["subscription_id"],
        GIVEN["group"],
        GIVEN["workspace"],
        show_progress=False,
        enable_telemetry=False,
        cloud="story",
        cloud_metadata=cloud,
    )


def refusal(act: Any) -> str:
    try:
        act()
    except HttpResponseError as error:
        return f"{error.status_code} {error.error.code if error.error else ''} {error.message}"
    return "it was not refused"


def names(endpoints: Any) -> list[str]:
    """Of the endpoints of this story: others may be on their way out."""
    return [one.name for one in endpoints.list() if one.name.startswith("wine-managed")]


def managed(ml: MLClient) -> None:
    endpoints, deployments = ml.online_endpoints, ml.online_deployments
    made = endpoints.begin_create_or_update(ManagedOnlineEndpoint(name="wine-managed", auth_mode="key")).result()
    SEEN["endpoint"] = [made.provisioning_state, made.scoring_uri, made.kind, made.identity.type, made.traffic]
    settings = OnlineRequestSettings(max_concurrent_requests_per_instance=5, request_timeout_ms=3000)
    blue = ManagedOnlineDeployment(
        name="blue",
        endpoint_name="wine-managed",
        model="azureml:wine:1",
        environment=GIVEN["environment"],
        instance_type="Standard_DS3_v2",
        instance_count=1,
        request_settings=settings,
        environment_variables={"A": "b"},
        tags={"build_number": "7"},
    )
    answer = deployments.begin_create_or_update(blue).result()
    SEEN["deployment"] = [answer.name, answer.provisioning_state, answer.instance_count, answer.tags]
    SEEN["settings"] = [answer.request_settings.request_timeout_ms, answer.environment_variables]
    endpoint = endpoints.get("wine-managed")
    SEEN["no traffic yet"] = endpoint.traffic
    endpoint.traffic = {"blue": 60}
    SEEN["bad sum"] = refusal(lambda: endpoints.begin_create_or_update(endpoint).result())
    endpoint.traffic = {"blue": 100}
    endpoint.tags = {"current_build": "7"}
    moved = endpoints.begin_create_or_update(endpoint).result()
    SEEN["traffic"] = [moved.traffic, moved.tags, moved.provisioning_state]
    keys = endpoints.get_keys("wine-managed")
    endpoints.begin_regenerate_keys("wine-managed", key_type="secondary").result()
    after = endpoints.get_keys("wine-managed")
    SEEN["keys"] = [keys.primary_key == after.primary_key, keys.secondary_key == after.secondary_key]
    Path("rows.json").write_text('{"rows": [1]}')
    SEEN["invoke"] = json.loads(endpoints.invoke("wine-managed", request_file="rows.json"))["rows"]
    chosen = endpoints.invoke("wine-managed", deployment_name="blue", request_file="rows.json")
    SEEN["invoke blue"] = json.loads(chosen)["rows"]
    SEEN["logs"] = deployments.get_logs("blue", "wine-managed", lines=50)
    SEEN["initializer"] = deployments.get_logs("blue", "wine-managed", lines=5, container_type="storage-initializer")
    SEEN["list"] = [names(endpoints), [one.name for one in deployments.list("wine-managed")]]
    again = deployments.get("blue", "wine-managed")
    again.instance_count = 2
    SEEN["scaled"] = deployments.begin_create_or_update(again).result().instance_count
    SEEN["has traffic"] = refusal(lambda: deployments.begin_delete("blue", "wine-managed").result())
    endpoints.begin_delete("wine-managed").result()
    SEEN["gone"] = names(endpoints)


def on_kubernetes(ml: MLClient) -> None:
    endpoints, deployments = ml.online_endpoints, ml.online_deployments
    wanted = KubernetesOnlineEndpoint(name="wine-aks", compute=GIVEN["compute"], auth_mode="key", tags={"a": "1"})
    made = endpoints.begin_create_or_update(wanted).result()
    SEEN["kubernetes"] = [made.provisioning_state, made.scoring_uri, made.kind, made.compute.rsplit("/", 1)[-1]]
    for color in ("blue", "green"):
        deployment = KubernetesOnlineDeployment(
            name=color, endpoint_name="wine-aks", environment=GIVEN["environment"], instance_count=1
        )
        deployments.begin_create_or_update(deployment).result()
    endpoint = endpoints.get("wine-aks")
    endpoint.traffic = {"blue": 0, "green": 100}
    SEEN["green"] = endpoints.begin_create_or_update(endpoint).result().traffic
    Path("rows.json").write_text('{"rows": [2]}')
    SEEN["invoke aks"] = json.loads(endpoints.invoke("wine-aks", request_file="rows.json"))["rows"]
    deployments.begin_delete("blue", "wine-aks").result()
    SEEN["left"] = [one.name for one in deployments.list("wine-aks")]
    endpoints.begin_delete("wine-aks").result()


def main() -> None:
    ml = client()
    managed(ml)
    on_kubernetes(ml)
    print("SEEN " + json.dumps(SEEN))


if __name__ == "__main__":
    main()
