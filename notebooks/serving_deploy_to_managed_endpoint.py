# Databricks notebook source
# MAGIC %md
# MAGIC # Let an image answer on a managed endpoint
# MAGIC
# MAGIC A *managed online endpoint* is Azure ML's own place for models: Azure keeps the machines, and nobody looks after a
# MAGIC cluster. It serves for staging and for production, under two names. **Its machines cost money as long as a deployment
# MAGIC is there, used or not.**

# COMMAND ----------

# MAGIC %md
# MAGIC ## What you can choose
# MAGIC
# MAGIC | widget | meaning |
# MAGIC |---|---|
# MAGIC | `model_image_id` | the image, with its digest, as `serving_build_container_image` returns it |
# MAGIC | `build_number`, `build_source` | the build that it is of, if several have the same image |
# MAGIC | `service` | what the endpoint is called; unique in its region |
# MAGIC | `instance_type`, `instances` | the kind of machine, and how many |
# MAGIC | `stage` | `staging` or `production`; production only takes a model that has passed its validation |
# MAGIC | `force` | why it is to take another one |
# MAGIC | `secret_scope`, `resource_manager`, `location` | how to get into which Azure, and where new things are made |
# MAGIC | `log_path` | a folder on a volume or DBFS to which the output is also written while the notebook runs |

# COMMAND ----------

dbutils.widgets.text("model_image_id", "")
dbutils.widgets.text("build_number", "")
dbutils.widgets.text("build_source", "manual")
dbutils.widgets.text("service", "wine-quality-managed-staging")
dbutils.widgets.text("instance_type", "Standard_DS2_v2")
dbutils.widgets.text("instances", "1")
dbutils.widgets.text("stage", "staging")
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

from azure.ai.ml.entities import ManagedOnlineDeployment, ManagedOnlineEndpoint

# COMMAND ----------

# MAGIC %md
# MAGIC ## The deployment

# COMMAND ----------


def deploy(choices, log):
    """Let the image answer; returns what the notebook's caller wants to know."""
    image_id, stage = choices["model_image_id"], choices["stage"]
    Image(image_id)  # before anything else is asked
    if stage not in ("staging", "production"):
        raise DeliveryError(f"'{stage}' is no stage: choose staging or production.")
    service = service_name(choices["service"])
    azure = Azure(choices["secret_scope"], choices["resource_manager"], choices["location"])
    log.hide(azure.client_secret)
    image = find_image(azure, image_id)
    ml = azure.ml()
    version = version_of_image(ml, image, choices["build_number"])
    check_verdict(version, stage, choices["force"])

    def make_endpoint():
        return ManagedOnlineEndpoint(name=service, auth_mode="key")

    def make_deployment(name, environment, tags):
        return ManagedOnlineDeployment(
            name=name,
            endpoint_name=service,
            model=f"azureml:{version.name}:{version.version}",
            environment=environment,
            request_settings=REQUESTS,
            instance_type=choices["instance_type"],
            instance_count=int(choices["instances"]),
            tags=tags,
        )

    online = OnlineEndpoint(ml, service, make_endpoint)
    name, url = deploy_beside(online, image, version, make_deployment, log)
    print(f"Scoring: {url}")
    found = {"model_image_id": image.id, "service": service, "stage": stage, "scoring_uri": url}
    return found | {"deployment": name, "build_number": version.tags.get("build_number", "")}


# COMMAND ----------

names = ("model_image_id", "build_number", "build_source", "service", "instance_type", "instances", "stage", "force")
names += ("secret_scope", "resource_manager", "location", "log_path")
choices = {name: dbutils.widgets.get(name).strip() for name in names}
with LiveLog(choices["log_path"]) as log:
    outcome = deploy(choices, log)

# COMMAND ----------

dbutils.notebook.exit(json.dumps(outcome))
