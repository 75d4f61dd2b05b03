# Databricks notebook source
# MAGIC %md
# MAGIC # Let an image answer on Kubernetes
# MAGIC
# MAGIC *Kubernetes* runs containers on a group of machines and puts every one back that falls over: the place for a model that
# MAGIC others depend on. Azure's is called AKS. Azure ML works on it through an *extension*, a set of programs that Azure
# MAGIC installs on the cluster; then the cluster is *attached* to the Azure ML workspace as one of its computes.
# MAGIC
# MAGIC What is not there is made, in this order: cluster, extension, compute, endpoint, deployment. The first time takes about
# MAGIC a quarter of an hour. **The machines cost money from then on, day and night, until the cluster is deleted.**

# COMMAND ----------

# MAGIC %md
# MAGIC ## What you can choose
# MAGIC
# MAGIC | widget | meaning |
# MAGIC |---|---|
# MAGIC | `model_image_id` | the image, with its digest, as `serving_build_container_image` returns it |
# MAGIC | `build_number`, `build_source` | the build that it is of, if several have the same image |
# MAGIC | `service` | what the endpoint is called |
# MAGIC | `compute` | what the cluster is called, in Azure and in Azure ML; at most 16 characters |
# MAGIC | `nodes`, `node_type` | how many machines a new cluster gets, and of which kind |
# MAGIC | `force` | why a model is to go to production that has not passed its validation |
# MAGIC | `secret_scope`, `resource_manager`, `location` | how to get into which Azure, and where new things are made |
# MAGIC | `log_path` | a folder on a volume or DBFS to which the output is also written while the notebook runs |

# COMMAND ----------

dbutils.widgets.text("model_image_id", "")
dbutils.widgets.text("build_number", "")
dbutils.widgets.text("build_source", "manual")
dbutils.widgets.text("service", "wine-quality-aks")
dbutils.widgets.text("compute", "myaks")
dbutils.widgets.text("nodes", "3")
dbutils.widgets.text("node_type", "Standard_B4ms")
dbutils.widgets.text("force", "")
dbutils.widgets.text("secret_scope", "azureml")
dbutils.widgets.text("resource_manager", "https://management.azure.com")
dbutils.widgets.text("location", "westeurope")
dbutils.widgets.text("log_path", "")

# COMMAND ----------

# MAGIC %run ./live_log

# COMMAND ----------

# MAGIC %run ./azure_workspace

# COMMAND ----------

# MAGIC %run ./model_service

# COMMAND ----------

# MAGIC %run ./online_endpoint

# COMMAND ----------

import json
import re

from azure.ai.ml.entities import (
    IdentityConfiguration,
    KubernetesCompute,
    KubernetesOnlineDeployment,
    KubernetesOnlineEndpoint,
    ResourceRequirementsSettings,
    ResourceSettings,
)
from azure.core.exceptions import AzureError

# COMMAND ----------

# MAGIC %md
# MAGIC ## The cluster, its extension, and the compute
# MAGIC
# MAGIC `allowInsecureConnections` lets the endpoint answer without a certificate, which a workshop has none of; for real
# MAGIC customers, give the extension one (`sslSecret`). A cluster that is there already is used as it is.

# COMMAND ----------


def find_or_make_cluster(azure, choices):
    """The Kubernetes cluster's id."""
    name = choices["compute"]
    if not re.fullmatch(r"[a-zA-Z][a-zA-Z0-9-]{0,14}[a-zA-Z0-9]", name):
        raise DeliveryError(f"'{name}' cannot be a compute's name: 2 to 16 letters, digits and dashes, a letter first.")
    pool = {"name": "pool", "mode": "System", "osType": "Linux", "type": "VirtualMachineScaleSets"}
    pool |= {"count": int(choices["nodes"]), "vmSize": choices["node_type"]}
    body = {
        "location": azure.location,
        "identity": {"type": "SystemAssigned"},
        "properties": {"dnsPrefix": f"{name}-{azure.short_hash(8)}", "agentPoolProfiles": [pool]},
    }
    resource_id = azure.resource_id("Microsoft.ContainerService/managedClusters", name)
    found = find_or_make(azure, f"Kubernetes cluster {name}", resource_id, "2024-09-01", body)
    if (found.properties.get("powerState") or {}).get("code") == "Stopped":
        command = f"az aks start -n {name} -g {azure.group}"
        raise DeliveryError(f"The Kubernetes cluster {name} is stopped. Start it: {command}")
    return resource_id


def find_or_make_extension(azure, cluster_id):
    settings = {
        "enableTraining": "False",
        "enableInference": "True",
        "inferenceRouterServiceType": "LoadBalancer",
        "allowInsecureConnections": "True",
        "inferenceRouterHA": "False",
        "clusterPurpose": "DevTest",
        # Which cluster it works on: what the Azure CLI adds by itself when it installs the extension.
        "cluster_name": cluster_id,
        "clusterId": cluster_id,
        "cluster_name_friendly": cluster_id.rpartition("/")[2],
        "location": azure.location,
        "jobSchedulerLocation": azure.location,
        "domain": f"{azure.location}.cloudapp.azure.com",
        "relayserver.enabled": "false",
        "servicebus.enabled": "false",
    }
    body = {
        "identity": {"type": "SystemAssigned"},
        "properties": {
            "extensionType": "Microsoft.AzureML.Kubernetes",
            "autoUpgradeMinorVersion": True,
            "releaseTrain": "stable",
            "scope": {"cluster": {"releaseNamespace": "azureml"}},
            "configurationSettings": settings,
        },
    }
    resource_id = f"{cluster_id}/providers/Microsoft.KubernetesConfiguration/extensions/azureml"
    find_or_make(azure, "Azure ML extension of the cluster", resource_id, "2023-05-01", body)


def attach(ml, name, cluster_id):
    """The cluster as a compute of the workspace."""
    what = f"Compute {name}"
    found = settled(lambda: look_up(lambda: ml.compute.get(name)), what)
    if found and state_of(found) == "Succeeded":
        if found.type.lower() != "kubernetes" or (found.resource_id or "").lower() != cluster_id.lower():
            raise DeliveryError(f"The workspace has another compute that is called {name}. Choose another name.")
        print(f"{what}: found")
        return
    print(f"{what}: attaching the cluster to the workspace")
    identity = IdentityConfiguration(type="SystemAssigned")
    wanted = KubernetesCompute(name=name, resource_id=cluster_id, namespace="default", identity=identity)
    try:
        wait(ml.compute.begin_create_or_update(wanted), what, lambda: state_of(look_up(lambda: ml.compute.get(name))))
    except AzureError as error:
        raise DeliveryError(f"The cluster cannot be attached: {reason(error)}") from error


# COMMAND ----------

# MAGIC %md
# MAGIC ## The deployment

# COMMAND ----------


def deploy(choices, log):
    """Let the image answer; returns what the notebook's caller wants to know."""
    image_id = choices["model_image_id"]
    Image(image_id)  # before anything else is asked
    service = service_name(choices["service"])
    azure = Azure(choices["secret_scope"], choices["resource_manager"], choices["location"])
    log.hide(azure.client_secret)
    image = find_image(azure, image_id)
    ml = azure.ml()
    version = version_of_image(ml, image, choices["build_number"])
    check_verdict(version, "production", choices["force"])

    cluster_id = find_or_make_cluster(azure, choices)
    find_or_make_extension(azure, cluster_id)
    attach(ml, choices["compute"], cluster_id)

    def make_endpoint():
        return KubernetesOnlineEndpoint(name=service, compute=choices["compute"], auth_mode="key")

    def make_deployment(name, environment, tags):
        size = ResourceSettings(cpu="0.5", memory="1Gi")
        return KubernetesOnlineDeployment(
            name=name,
            endpoint_name=service,
            model=f"azureml:{version.name}:{version.version}",
            environment=environment,
            request_settings=REQUESTS,
            instance_count=1,
            resources=ResourceRequirementsSettings(requests=size),
            tags=tags,
        )

    online = OnlineEndpoint(ml, service, make_endpoint)
    name, url = deploy_beside(online, image, version, make_deployment, log)
    print(f"Scoring: {url}")
    found = {"model_image_id": image.id, "service": service, "stage": "production", "scoring_uri": url}
    return found | {"deployment": name, "build_number": version.tags.get("build_number", "")}


# COMMAND ----------

names = ("model_image_id", "build_number", "build_source", "service", "compute", "nodes", "node_type", "force")
names += ("secret_scope", "resource_manager", "location", "log_path")
choices = {name: dbutils.widgets.get(name).strip() for name in names}
with LiveLog(choices["log_path"]) as log:
    outcome = deploy(choices, log)

# COMMAND ----------

dbutils.notebook.exit(json.dumps(outcome))
