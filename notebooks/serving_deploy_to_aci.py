# Databricks notebook source
# MAGIC %md
# MAGIC # Let an image answer on Azure Container Instances
# MAGIC
# MAGIC Azure Container Instances runs a container without any cluster around it: up in a minute, billed by the second, the
# MAGIC place to try a model before anybody depends on it. That is what *staging* means. If the container stops, Azure starts
# MAGIC it again; but there is only one, so this is no place for customers.
# MAGIC
# MAGIC Running this again with the same image changes nothing as long as the service answers as it should.

# COMMAND ----------

# MAGIC %md
# MAGIC ## What you can choose
# MAGIC
# MAGIC | widget | meaning |
# MAGIC |---|---|
# MAGIC | `model_image_id` | the image, with its digest, as `serving_build_container_image` returns it |
# MAGIC | `build_number`, `build_source` | the build that it is of, if several have the same image |
# MAGIC | `service` | what the container group is called |
# MAGIC | `dns_label` | the first part of its address in the internet; empty: the service's name and a few digits |
# MAGIC | `cpu`, `memory_gb` | its size |
# MAGIC | `secret_scope`, `resource_manager`, `location` | how to get into which Azure, and where new things are made |
# MAGIC | `log_path` | a folder on a volume or DBFS to which the output is also written while the notebook runs |

# COMMAND ----------

dbutils.widgets.text("model_image_id", "")
dbutils.widgets.text("build_number", "")
dbutils.widgets.text("build_source", "manual")
dbutils.widgets.text("service", "wine-quality-aci")
dbutils.widgets.text("dns_label", "")
dbutils.widgets.text("cpu", "1")
dbutils.widgets.text("memory_gb", "1.5")
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

import json
import time

import requests
from azure.core.exceptions import AzureError
from azure.mgmt.containerinstance import ContainerInstanceManagementClient
from azure.mgmt.containerinstance.models import (
    Container,
    ContainerGroup,
    ContainerHttpGet,
    ContainerPort,
    ContainerProbe,
    EnvironmentVariable,
    ImageRegistryCredential,
    IpAddress,
    Port,
    ResourceRequests,
    ResourceRequirements,
)

PORT = 5001  # on which the image listens

# COMMAND ----------

# MAGIC %md
# MAGIC ## What we ask for
# MAGIC
# MAGIC A *container group* with one container. The key that callers must show is a *secure* variable: Azure gives it to the
# MAGIC container and shows it to nobody else. The registry's password is the service principal's. Twice a minute Azure asks
# MAGIC `/ping`, and starts the container anew if it does not answer.
# MAGIC
# MAGIC The tags say which build runs there and which one ran before: that is what a rollback brings back.

# COMMAND ----------


def container_group(azure, image, choices, key, tags):
    service = choices["service"]
    size = ResourceRequests(cpu=float(choices["cpu"]), memory_in_gb=float(choices["memory_gb"]))
    ping = ContainerHttpGet(path="/ping", port=PORT, scheme="http")
    container = Container(
        name=service,
        image=image.id,
        resources=ResourceRequirements(requests=size),
        ports=[ContainerPort(port=PORT)],
        environment_variables=[EnvironmentVariable(name="SCORING_KEY", secure_value=key)],
        liveness_probe=ContainerProbe(http_get=ping, initial_delay_seconds=60, period_seconds=30, timeout_seconds=10),
    )
    account = ImageRegistryCredential(server=image.registry, username=azure.client_id, password=azure.client_secret)
    return ContainerGroup(
        location=azure.location,
        os_type="Linux",
        restart_policy="Always",
        containers=[container],
        image_registry_credentials=[account],
        ip_address=IpAddress(type="Public", ports=[Port(port=PORT)], dns_name_label=choices["dns_label"]),
        tags=tags,
    )


def tags_of(image, version, before, healthy):
    """What the group is to say of itself. What an unhealthy image replaced is still the last good one."""
    was = (before.tags or {}) if before else {}
    if healthy and was.get("model_image_id") not in (None, image.id):
        previous = {"previous_image_id": was["model_image_id"], "previous_build": was.get("build_number", "")}
    else:
        previous = {name: was.get(name, "") for name in ("previous_image_id", "previous_build")}
        if previous["previous_image_id"] == image.id:
            previous = dict.fromkeys(previous, "")
    kept = {name: version.tags.get(name, "") for name in ("build_number", "build_source")}
    return kept | {"model_image_id": image.id, "model": version.name, "version": str(version.version)} | previous


# COMMAND ----------

# MAGIC %md
# MAGIC ## Deploying, and watching it come up
# MAGIC
# MAGIC Azure pulls the image, starts the container, and tells each step as an *event*. The address is what Azure answers, not
# MAGIC what we asked for.

# COMMAND ----------


class Group:
    """One container group of Azure Container Instances."""

    def __init__(self, azure, name):
        self.client, self.group, self.name = azure.client(ContainerInstanceManagementClient), azure.group, name
        self.told = set()

    def get(self):
        return look_up(lambda: self.client.container_groups.get(self.group, self.name))

    def state(self):
        """How far it is, in a word. Prints the events that are new."""
        found = self.get()
        if found is None:
            return "Pending"
        view = found.containers[0].instance_view
        for event in sorted((view and view.events) or [], key=lambda event: str(event.first_timestamp)):
            line = f"  {event.name}: {event.message}"
            if line not in self.told:
                self.told.add(line)
                print(line)
        return (found.instance_view and found.instance_view.state) or state_of(found)

    def put(self, wanted):
        """Make the group, or change it. Size and restart policy cannot be changed in place: then it is made anew."""
        what, there = f"Container group {self.name}", self.get()
        if there and size_of(there) != size_of(wanted):
            print(f"{what}: another size is asked for, so it is made anew")
            wait(self.client.container_groups.begin_delete(self.group, self.name), f"{what}, removing")
        try:
            poller = self.client.container_groups.begin_create_or_update(self.group, self.name, wanted)
        except AzureError as error:
            raise DeliveryError(f"{what} is refused by Azure: {reason(error)}") from error
        wait(poller, what, self.state)

    def wait_until_it_answers(self, minutes=10):
        """Its scoring URL. Raises DeliveryError with the end of its log if it keeps falling over."""
        deadline, last = time.monotonic() + minutes * 60, None
        while True:
            state, found = self.state(), self.get()
            if state != last:
                print(f"Container group {self.name}: {state}")
                last = state
            url = url_of(found) if found else ""
            if url and answers(url):
                return url
            restarts = restarts_of(found)
            if restarts >= 3 or time.monotonic() > deadline:
                why = f"has fallen over {restarts} times" if restarts else f"does not answer after {minutes} minutes"
                raise DeliveryError(f"The container {self.name} {why}. Its log ends: {self.log()}")
            time.sleep(1)

    def log(self):
        try:
            content = self.client.containers.list_logs(self.group, self.name, self.name, tail=20).content or "(nothing)"
            print(content)
            return " | ".join(content.strip().splitlines()[-5:])
        except AzureError as error:
            return f"(no log: {reason(error)})"


def size_of(group):
    """What cannot be changed in place."""
    size = group.containers[0].resources.requests
    return float(size.cpu), float(size.memory_in_gb), group.os_type, group.restart_policy


def url_of(group):
    """Where the group answers, or nothing as long as it has no address."""
    address = group.ip_address
    host = address and (address.fqdn or address.ip)
    return f"http://{host}:{address.ports[0].port}/score" if host else ""


def answers(url):
    """Whether something is ready there."""
    try:
        return requests.get(url.removesuffix("/score") + "/ping", timeout=5).status_code == 200
    except requests.RequestException:
        return False


def restarts_of(group):
    view = group.containers[0].instance_view if group else None
    return (view.restart_count or 0) if view else 0


# COMMAND ----------


def works(found, image, key, run_id):
    """Whether this very image runs there and passes the smoke test, so that nothing is left to do."""
    if found is None or (found.tags or {}).get("model_image_id") != image.id or not answers(url_of(found)):
        return False
    try:
        smoke_test(url_of(found), key, run_id)
    except DeliveryError as error:
        print(f"It runs, but: {error}")
        return False
    return True


def deploy(choices, log):
    """Let the image answer; returns what the notebook's caller wants to know."""
    image_id = choices["model_image_id"]
    Image(image_id)  # before anything else is asked
    choices["service"] = service_name(choices["service"])
    azure = Azure(choices["secret_scope"], choices["resource_manager"], choices["location"])
    key = secret(azure.scope, "staging_key")
    log.hide(azure.client_secret, key)
    choices["dns_label"] = choices["dns_label"] or f"{choices['service']}-{azure.short_hash(8)}"
    image = find_image(azure, image_id)
    version = version_of_image(azure.ml(), image, choices["build_number"])
    run_id = version.tags["run_id"]

    group = Group(azure, choices["service"])
    before = settled(group.get, f"Container group {group.name}")
    if works(before, image, key, run_id) and before.tags.get("build_number") == version.tags.get("build_number"):
        print(f"Container group {group.name}: runs this image already")
        url = url_of(before)
    else:
        healthy = bool(before) and answers(url_of(before))
        tags = tags_of(image, version, before, healthy)
        group.put(container_group(azure, image, choices, key, tags))
        url = group.wait_until_it_answers()
        smoke_test(url, key, run_id)
    print(f"Scoring: {url}")
    found = {"model_image_id": image.id, "service": group.name, "stage": "staging", "scoring_uri": url}
    return found | {"deployment": group.name, "build_number": version.tags.get("build_number", "")}


# COMMAND ----------

names = ("model_image_id", "build_number", "build_source", "service", "dns_label", "cpu", "memory_gb")
names += ("secret_scope", "resource_manager", "location", "log_path")
choices = {name: dbutils.widgets.get(name).strip() for name in names}
with LiveLog(choices["log_path"]) as log:
    outcome = deploy(choices, log)

# COMMAND ----------

dbutils.notebook.exit(json.dumps(outcome))
