# Databricks notebook source
# MAGIC %md
# MAGIC # Put a build's best model into a container image
# MAGIC
# MAGIC A *build* is a set of training runs with one number. This notebook takes the best of them that is good enough, and
# MAGIC makes a *container image* of it: one file that holds the model, Python, the very packages that the model was trained
# MAGIC with, and a small web server. The same image is tested first and serves customers later; nothing is installed anew
# MAGIC on the way, so nothing can differ.
# MAGIC
# MAGIC The image is built by Azure Container Registry, so nobody needs Docker. Then the model is *registered*: Azure ML and
# MAGIC MLflow each note a new version of it, with tags that tell its build, its run, its metrics and its image.
# MAGIC
# MAGIC Running this again for the same build makes nothing twice: it finds what is there, and finishes what is missing.

# COMMAND ----------

# MAGIC %md
# MAGIC ## What you can choose
# MAGIC
# MAGIC | widget | meaning |
# MAGIC |---|---|
# MAGIC | `build_number`, `build_source` | whose runs; without a number the build of the newest run |
# MAGIC | `experiment` | where the runs are kept |
# MAGIC | `metric`, `best_is` | what makes a run the best: the `lowest` or the `highest` value of which metric |
# MAGIC | `gate` | what a model must reach to be built at all, such as `rmse < 0.8`; several with `and`; empty: nothing |
# MAGIC | `metrics` | which metrics go along with the model, separated by commas |
# MAGIC | `model` | what the model is called in Azure ML, and its image in the registry |
# MAGIC | `registered_model` | what it is called in MLflow; three names with dots mean Unity Catalog; empty: not at all |
# MAGIC | `registry` | the container registry; empty: one is named after the resource group |
# MAGIC | `secret_scope`, `resource_manager`, `location` | how to get into which Azure, and where new things are made |
# MAGIC | `log_path` | a folder on a volume or DBFS to which the output is also written while the notebook runs |

# COMMAND ----------

dbutils.widgets.text("build_number", "")
dbutils.widgets.text("build_source", "manual")
dbutils.widgets.text("experiment", "/Shared/WineQuality")
dbutils.widgets.text("metric", "rmse")
dbutils.widgets.text("best_is", "lowest")
dbutils.widgets.text("gate", "rmse < 0.8")
dbutils.widgets.text("metrics", "rmse,mae,r2")
dbutils.widgets.text("model", "winequality")
dbutils.widgets.text("registered_model", "winequality")
dbutils.widgets.text("registry", "")
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

# MAGIC %run ./image_contents

# COMMAND ----------

import contextlib
import hashlib
import io
import itertools
import json
import math
import re
import tempfile
import time

import mlflow
import requests
from azure.ai.ml.constants import AssetTypes
from azure.ai.ml.entities import Model
from azure.core.exceptions import AzureError
from azure.mgmt.containerregistrytasks import ContainerRegistryTasksMgmtClient
from azure.mgmt.containerregistrytasks.models import DockerBuildRequest, PlatformProperties

# COMMAND ----------

# MAGIC %md
# MAGIC ## The best run
# MAGIC
# MAGIC Only runs of this build are compared: a lucky run of last year, with other data, must not come back. And the best of
# MAGIC bad runs is still a bad model: the *gate* says what is good enough.

# COMMAND ----------

COMPARISONS = {
    "<=": lambda value, limit: value <= limit,
    ">=": lambda value, limit: value >= limit,
    "<": lambda value, limit: value < limit,
    ">": lambda value, limit: value > limit,
}


def passes(gate, metrics):
    """Whether metrics hold what a gate asks for. A metric that is missing or not a number (NaN) holds nothing."""
    for condition in filter(None, re.split(r"\s*(?:,|\band\b)\s*", gate.strip())):
        found = re.fullmatch(r"(\S+?)\s*(<=|>=|<|>)\s*([-+.\deE]+)", condition)
        if not found:
            raise DeliveryError(f"The gate '{condition}' cannot be read. Write it like this: rmse < 0.8")
        name, sign, limit = found.groups()
        if name not in metrics or not COMPARISONS[sign](metrics[name], float(limit)):
            return False
    return True


def best_run(choices):
    """The best of the build's finished runs that pass the gate."""
    experiment = mlflow.get_experiment_by_name(choices["experiment"])
    if experiment is None:
        raise DeliveryError(f"There is no experiment {choices['experiment']}. Train first.")
    client, build = mlflow.MlflowClient(), choices["build_number"]
    wanted = "attributes.status = 'FINISHED'" + (f" and tags.build_number = '{build}'" if build else "")
    runs = client.search_runs([experiment.experiment_id], wanted, order_by=["attributes.start_time DESC"])
    if not runs:
        which = f"of build {build}" if build else "at all"
        raise DeliveryError(f"There is no finished run {which} in {choices['experiment']}. Train first.")
    if not build:
        build = runs[0].data.tags.get("build_number", "")
        runs = [run for run in runs if run.data.tags.get("build_number", "") == build]
        print(f"The newest build is {build}")
    metric, sign = choices["metric"], {"lowest": 1, "highest": -1}[choices["best_is"]]
    good = []
    for run in runs:
        passed = metric in run.data.metrics and passes(choices["gate"], run.data.metrics)
        value = run.data.metrics.get(metric, math.nan)
        print(f"Run {run.info.run_name}: {metric} {value:.6f}{'' if passed else ', does not pass the gate'}")
        good += [run] if passed else []
    if not good:
        raise DeliveryError(f"No run of build {build} passes the gate '{choices['gate']}': nothing is built.")
    best = min(good, key=lambda run: sign * run.data.metrics[metric])
    print(f"Best of build {build}: {best.info.run_name} ({best.info.run_id})")
    return best, build


# COMMAND ----------

# MAGIC %md
# MAGIC ## The container registry and its quick build
# MAGIC
# MAGIC The registry keeps images, and builds them: we upload the files, ask for a build, and print its log line by line. The
# MAGIC image gets two tags, the build's number and the fingerprint of its files, by which it is found again if this notebook
# MAGIC was interrupted.

# COMMAND ----------


def find_registry(azure, name):
    name = name or f"mlops{azure.short_hash(13)}"
    resource_id = azure.resource_id("Microsoft.ContainerRegistry/registries", name)
    # Azure ML fetches images from the workspace's registry with its admin account.
    body = {"location": azure.location, "sku": {"name": "Basic"}, "properties": {"adminUserEnabled": True}}
    found = find_or_make(azure, f"Container registry {name}", resource_id, "2023-07-01", body)
    return resource_id, found.properties["loginServer"]


def tag_of(build):
    """A build's number as a tag: letters, digits, dots, dashes, at most 128."""
    return re.sub(r"[^A-Za-z0-9_.-]", "-", build).lstrip(".-")[:128] or "none"


def find_or_build_image(azure, registry_id, server, model, build, context):
    """The image of these files: the one that is there, or a new one."""
    content, registry = f"content-{hashlib.sha256(context).hexdigest()[:24]}", registry_id.rpartition("/")[2]
    digest = find_digest(azure, server, model, content)
    if not digest and wait_for_builds(azure, registry):
        digest = find_digest(azure, server, model, content)
    if digest:
        print(f"Image: these very files are in the registry already, as {model}:{content}")
    else:
        digest = quick_build(azure, registry, [f"{model}:{tag_of(build)}", f"{model}:{content}"], context)
    return f"{server}/{model}@{digest}"


def wait_for_builds(azure, registry):
    """Wait for the builds that are under way: one may be ours, ordered before this notebook was interrupted."""
    tasks, group = azure.client(ContainerRegistryTasksMgmtClient), azure.group
    try:
        newest = itertools.islice(tasks.runs.list(group, registry), 10)
        under_way = [run.name for run in newest if run.properties.status in ("Queued", "Started", "Running")]
        for run_id in under_way:
            print(f"Quick build {run_id} is under way already: waiting for it")
            while tasks.runs.get(group, registry, run_id).properties.status in ("Queued", "Started", "Running"):
                time.sleep(1)
    except AzureError as error:
        raise DeliveryError(f"The registry {registry} does not tell its builds: {reason(error)}") from error
    return under_way


def quick_build(azure, registry, names, context):
    """Have the registry build an image; its digest."""
    tasks, group = azure.client(ContainerRegistryTasksMgmtClient), azure.group
    try:
        place = tasks.registries.get_build_source_upload_url(group, registry)
        blob = {"x-ms-blob-type": "BlockBlob"}
        requests.put(place.upload_url, data=context, headers=blob, timeout=300).raise_for_status()
        print(f"Uploaded the build context to {registry}")
        order = DockerBuildRequest(
            image_names=names,
            is_push_enabled=True,
            docker_file_path="Dockerfile",
            source_location=place.relative_path,
            platform=PlatformProperties(os="Linux", architecture="amd64"),
            timeout=3600,
        )
        run_id = tasks.registries.schedule_run(group, registry, order).name
        print(f"Quick build {run_id} of {names[0]} is ordered")
        log = tasks.runs.get_log_sas_url(group, registry, run_id).log_link
        return follow(lambda: tasks.runs.get(group, registry, run_id).properties, run_id, log)
    except (AzureError, requests.RequestException) as error:
        raise DeliveryError(f"The registry {registry} cannot build the image: {reason(error)}") from error


def follow(look, run_id, link):
    """Print the log of a quick build as it grows, until the build is over; the digest of what it built."""
    read, rest, lines, state = 0, b"", [], None
    while True:
        run = look()
        before, state = state, getattr(run.status, "value", run.status)
        if state != before and state in ("Queued", "Running"):
            print(f"Quick build {run_id}: {state}")
        over = state in ("Succeeded", "Failed", "Canceled", "Error", "Timeout")
        # The log is a file that grows: we ask for what we do not have yet. None yet: 404; nothing new: 416.
        grown = requests.get(link, headers={"Range": f"bytes={read}-"}, timeout=60)
        if grown.status_code in (200, 206):
            new = grown.content[read:] if grown.status_code == 200 else grown.content
            read += len(new)
            *whole, rest = (rest + new).split(b"\n")
            whole += [rest] if over and rest else []
            for line in whole:
                lines.append(line.decode(errors="replace").rstrip())
                print(f"  {lines[-1]}")
        if over:
            print(f"Quick build {run_id}: {state}")
            break
        time.sleep(1)
    if state != "Succeeded":
        told = getattr(run, "run_error_message", None) or "no reason is given"
        end = " | ".join([line for line in lines if line][-8:]) or "(nothing)"
        raise DeliveryError(f"Quick build {run_id} ended as {state}: {told} Its log ends: {end}")
    return run.output_images[0].digest


# COMMAND ----------

# MAGIC %md
# MAGIC ## Registering the model
# MAGIC
# MAGIC The tags are how everybody else finds it: the deployment looks for the image's model, the validation for the run and
# MAGIC its metrics.

# COMMAND ----------


def of_another_image(before, tags):
    """Emptied: what was said of the version's image before, where it gets another one, which nobody has validated."""
    if before.get("model_image_id") in (None, "", tags.get("model_image_id")):
        return {}
    return {name: "" for name in before if name.startswith(("verdict", "approv"))}


def register(ml, model, folder, tags):
    """The version of the model in Azure ML that carries these tags: found by build and run, or made."""
    version = find_version(ml, model, build_number=tags["build_number"], run_id=tags["run_id"])
    if version and tags.items() <= version.tags.items():
        return version
    if version:
        version.tags.update(of_another_image(version.tags, tags) | tags)
        print(f"Azure ML: {model} {version.version} gets its new tags")
    else:
        description = f"Best run of build {tags['build_number']}"
        version = Model(name=model, path=folder, type=AssetTypes.MLFLOW_MODEL, description=description, tags=tags)
        print(f"Azure ML: registering {model} and uploading its files")
    try:
        version = ml.models.create_or_update(version)
    except AzureError as error:
        raise DeliveryError(f"The model cannot be registered in Azure ML: {reason(error)}") from error
    print(f"Azure ML: {model} {version.version}")
    return version


def register_in_mlflow(name, tags):
    """The same in MLflow's own registry, where people look who work in Databricks."""
    mlflow.set_registry_uri("databricks-uc" if name.count(".") == 2 else "databricks")
    client = mlflow.MlflowClient()
    try:
        versions = list(client.search_model_versions(f"name='{name}'"))
    except mlflow.MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        versions = []
    version = next((found for found in versions if found.run_id == tags["run_id"]), None)
    if version is None:
        with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
            version = mlflow.register_model(f"runs:/{tags['run_id']}/model", name)
    kept = client.get_model_version(name, version.version).tags
    for key, value in tags.items():
        if kept.get(key) != value:
            client.set_model_version_tag(name, version.version, key, value)
    print(f"MLflow: {name} {version.version}")


# COMMAND ----------

# MAGIC %md
# MAGIC ## The build
# MAGIC
# MAGIC The model is registered last, when its image is there: a version that can be seen can be deployed.

# COMMAND ----------


def build(choices, log):
    """The image of the build's best model; returns what the notebook's caller wants to know."""
    azure = Azure(choices["secret_scope"], choices["resource_manager"], choices["location"])
    log.hide(azure.client_secret)
    run, number = best_run(choices)
    run_id, model = run.info.run_id, choices["model"]
    names = [name.strip() for name in choices["metrics"].split(",")]
    metrics = {name: run.data.metrics[name] for name in names if name in run.data.metrics}
    source = run.data.tags.get("build_source") or choices["build_source"]
    tags = {"build_number": number, "build_source": source, "run_id": run_id}
    tags |= {f"metric_{name}": repr(value) for name, value in metrics.items()}

    registry_id, server = find_registry(azure, choices["registry"])
    ml = find_workspace(azure, registry_id)
    version = find_version(ml, model, build_number=number, run_id=run_id)
    image = (version.tags.get("model_image_id") if version else "") or ""
    if image.startswith(f"{server}/{model}@") and find_digest(azure, server, model, image.rpartition("@")[2]):
        print(f"Image: build {number} has its image already, {image}")
        version = register(ml, model, "", tags | {"model_image_id": image})
    else:
        with tempfile.TemporaryDirectory() as folder:
            files = mlflow.artifacts.download_artifacts(f"runs:/{run_id}/model", dst_path=folder)
            print(f"Downloaded the model of run {run_id}")
            image = find_or_build_image(azure, registry_id, server, model, number, build_context(files))
            version = register(ml, model, files, tags | {"model_image_id": image})
    if choices["registered_model"]:
        register_in_mlflow(choices["registered_model"], tags | {"model_image_id": image})
    print(f"Image: {image}")
    found = {"model_image_id": image, "build_number": number, "build_source": source, "run_id": run_id}
    return found | {"model": model, "version": version.version, "metrics": metrics}


# COMMAND ----------

names = ("build_number", "build_source", "experiment", "metric", "best_is", "gate", "metrics", "model")
names += ("registered_model", "registry", "secret_scope", "resource_manager", "location", "log_path")
choices = {name: dbutils.widgets.get(name).strip() for name in names}
with LiveLog(choices["log_path"]) as log:
    outcome = build(choices, log)

# COMMAND ----------

dbutils.notebook.exit(json.dumps(outcome))
