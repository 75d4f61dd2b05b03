# Databricks notebook source
# MAGIC %md
# MAGIC # The way into Azure
# MAGIC
# MAGIC What the serving notebooks share: how they sign in to Azure, wait for what takes it minutes, and find the Azure ML
# MAGIC workspace and its models. They take this notebook in with `%run ./azure_workspace`; by itself it does nothing.
# MAGIC
# MAGIC The cluster needs these packages, which the jobs of mlops-tui install: `azure-identity`, `azure-ai-ml`,
# MAGIC `azure-mgmt-resource`, `azure-mgmt-containerinstance`, `azure-mgmt-containerregistrytasks`.

# COMMAND ----------

import hashlib
import logging
import time

import requests
from azure.ai.ml import MLClient
from azure.ai.ml._utils._azureml_polling import AzureMLPolling
from azure.ai.ml.constants._common import LROConfigurations
from azure.ai.ml.entities import Workspace
from azure.core.exceptions import AzureError, ResourceNotFoundError
from azure.identity import ClientSecretCredential
from azure.mgmt.core.polling.arm_polling import ARMPolling
from azure.mgmt.resource.resources import ResourceManagementClient

for name in ("azure", "mlflow", "urllib3"):
    logging.getLogger(name).setLevel(logging.ERROR)  # their hints are for other readers than this log's

# azure-ai-ml looks every five seconds whether a long operation is over, and offers no argument to change that. Where
# the service itself says when to ask again, that counts. And it prints a dot each time; we print what has changed.
LROConfigurations.POLL_INTERVAL = LROConfigurations.SLEEP_TIME = 1
AzureMLPolling.update_status = ARMPolling.update_status


class DeliveryError(Exception):
    """What does not work, in one line, and what to do about it."""

    def __init__(self, text):
        super().__init__(" ".join(text.split()))


# COMMAND ----------

# MAGIC %md
# MAGIC ## Signing in
# MAGIC
# MAGIC A notebook cannot type a password. It signs in as a *service principal*, an account for programs, whose password lies
# MAGIC in a *secret scope*: a locked drawer that Databricks opens for notebooks, and whose contents it hides in their output.
# MAGIC
# MAGIC Azure exists several times: the public one, those of governments, and the sandbox of mlops-tui. The address of the
# MAGIC *Resource Manager*, Azure's front door, is all we need to know: it tells where everything else is.

# COMMAND ----------


def secret(scope, key):
    """A key of the scope. A key vault behind it allows no underscore in names: there, `client_id` is `client-id`."""
    kept = {found.key for found in dbutils.secrets.list(scope)}
    for spelling in (key, key.replace("_", "-")):
        if spelling in kept:
            return dbutils.secrets.get(scope, spelling)
    raise DeliveryError(f"The secret scope '{scope}' has no key '{key}'. Run `mlops-tui setup` to fill it.")


class Azure:
    """Signed in as the service principal; knows subscription and resource group, and where Azure's services are."""

    def __init__(self, scope, resource_manager, location):
        self.scope, self.arm, self.location = scope, resource_manager.rstrip("/"), location
        self.tenant_id, self.client_id = secret(scope, "tenant_id"), secret(scope, "client_id")
        self.client_secret = secret(scope, "client_secret")
        self.subscription_id, self.group = secret(scope, "subscription_id"), secret(scope, "resource_group")
        self.workspace_name = secret(scope, "workspace_name")
        try:
            answer = requests.get(f"{self.arm}/metadata/endpoints?api-version=2022-09-01", timeout=60)
            answer.raise_for_status()
        except requests.RequestException as error:
            raise DeliveryError(f"{self.arm} does not answer as Azure's Resource Manager does: {error}") from error
        self.cloud = answer.json()
        authority = self.cloud["authentication"]["loginEndpoint"].rstrip("/")
        self.credential = ClientSecretCredential(
            self.tenant_id, self.client_id, self.client_secret, authority=authority, disable_instance_discovery=True
        )
        try:
            self.credential.get_token(f"{self.arm}/.default")
        except AzureError as error:
            hint = "If its secret has expired, `mlops-tui setup` renews it."
            raise DeliveryError(f"The service principal cannot sign in. {hint} {reason(error)}") from error
        print(f"Azure: {self.cloud['name']}, resource group {self.group}, signed in as {self.client_id}")

    def client(self, kind):
        """A client of one of Azure's management packages."""
        scopes = [f"{self.arm}/.default"]
        options = {"base_url": self.arm, "credential_scopes": scopes, "polling_interval": 2}
        return kind(self.credential, self.subscription_id, **options)

    def ml(self):
        """The client of Azure ML. It knows Microsoft's clouds by name; any other is described to it."""
        portal = self.cloud["portal"]
        described = {
            "azure_portal": portal,
            "resource_manager": self.cloud["resourceManager"],
            "active_directory": self.cloud["authentication"]["loginEndpoint"],
            "aml_resource_id": portal.replace("//portal.", "//ml."),
            "storage_endpoint": self.cloud["suffixes"]["storage"],
            "registry_discovery_endpoint": portal,
        }
        return MLClient(
            self.credential,
            self.subscription_id,
            self.group,
            self.workspace_name,
            cloud=self.cloud["name"],
            cloud_metadata=described,
            show_progress=False,
            enable_telemetry=False,
        )

    @property
    def group_id(self):
        return f"/subscriptions/{self.subscription_id}/resourceGroups/{self.group}"

    def resource_id(self, kind, name):
        """For example kind "Microsoft.ContainerRegistry/registries"."""
        return f"{self.group_id}/providers/{kind}/{name}"

    def short_hash(self, length):
        """The same for everybody who works in this resource group: for names that no two people may share."""
        return hashlib.sha256(self.group_id.lower().encode()).hexdigest()[:length]


# COMMAND ----------

# MAGIC %md
# MAGIC ## Waiting
# MAGIC
# MAGIC Much of what we ask of Azure takes minutes. We ask every other second how far it is, and print what has changed.

# COMMAND ----------


def reason(error):
    """What Azure said, without the technical lines around it."""
    told = getattr(error, "error", None)
    text = getattr(told, "message", "") or getattr(error, "message", "") or str(error)
    code = getattr(told, "code", "") or ""
    return " ".join(text.split()) + (f" ({code})" if code and code not in text else "")


def wait(poller, what, look=lambda: "", minutes=40):
    """Wait for a long operation, and return its result. `look` tells how far it is, in a word."""
    started, last, told = time.monotonic(), None, 0.0
    try:
        while not poller.done():
            poller.wait(2)  # raises what the operation has failed with
            seconds = time.monotonic() - started
            if seconds > minutes * 60:
                raise DeliveryError(f"{what} is not over after {minutes} minutes. Run this again: it goes on there.")
            state = "" if poller.done() else look()
            if state and (state != last or seconds - told > 20):
                print(f"{what}: {state} ({seconds:.0f} s)")
                last, told = state, seconds
        result = poller.result()
    except AzureError as error:
        raise DeliveryError(f"{what} failed: {reason(error)}") from error
    print(f"{what}: done ({time.monotonic() - started:.0f} s)")
    return result


def settled(look, what, minutes=40):
    """What `look` returns, a resource or None, once nobody is changing it: others, or we, killed halfway."""
    started, last = time.monotonic(), None
    while True:
        found = look()
        state = (state_of(found) if found else "") or "Succeeded"
        if state in ("Succeeded", "Failed", "Canceled"):
            return found
        if time.monotonic() - started > minutes * 60:
            raise DeliveryError(f"{what} is still {state} after {minutes} minutes. Run this again later.")
        if state != last:
            print(f"{what}: {state}, waiting for that to end")
            last = state
        time.sleep(1)


def state_of(resource):
    """Its provisioning state, in Azure's words."""
    properties = getattr(resource, "properties", None)
    told = properties.get("provisioningState") if hasattr(properties, "get") else None
    state = getattr(resource, "provisioning_state", None) or told or ""
    return getattr(state, "value", state)


def look_up(ask):
    """What `ask` finds, or None."""
    try:
        return ask()
    except ResourceNotFoundError:
        return None


def find_or_make(azure, what, resource_id, api_version, body):
    """An Azure resource of any kind. One that failed to come up is made again; one that is coming up is waited for."""
    resources = azure.client(ResourceManagementClient).resources
    options = {"resource_id": resource_id, "api_version": api_version}

    def look():
        return look_up(lambda: resources.get_by_id(**options))

    try:
        found = settled(look, what)
        if found and state_of(found) not in ("Failed", "Canceled"):
            print(f"{what}: found")
            return found
        print(f"{what}: {'has failed before, made again' if found else 'not there, made now'}")
        wait(resources.begin_create_or_update_by_id(parameters=body, **options), what, lambda: state_of(look()))
        return look()
    except AzureError as error:
        raise DeliveryError(f"{what} cannot be used: {reason(error)}") from error


# COMMAND ----------

# MAGIC %md
# MAGIC ## The Azure ML workspace and the model's versions
# MAGIC
# MAGIC Azure ML keeps the models that were built, one *version* each, with *tags* that tell where it comes from and in which
# MAGIC container image it lies.

# COMMAND ----------


def find_workspace(azure, registry_id=None):
    """The client of the Azure ML workspace, which is made if it is not there. It works with our container registry."""
    ml, name = azure.ml(), azure.workspace_name
    what = f"Azure ML workspace {name}"
    try:
        found = look_up(lambda: ml.workspaces.get(name))
        if found is None:
            print(f"{what}: not there, made now, with its own storage, key vault and logs")
            wanted = Workspace(name=name, location=azure.location, container_registry=registry_id)
            wait(ml.workspaces.begin_create(wanted), what, lambda: "Creating")
        else:
            print(f"{what}: found")
            if registry_id and not found.container_registry:
                print(f"{what}: gets the container registry {registry_id.rpartition('/')[2]}")
                found.container_registry = registry_id
                wait(ml.workspaces.begin_update(found, update_dependent_resources=True), what)
    except AzureError as error:
        raise DeliveryError(f"{what} cannot be used: {reason(error)}") from error
    return ml


def find_version(ml, model, **tags):
    """The newest version of a model that has these tags, or None."""
    versions = look_up(lambda: list(ml.models.list(name=model))) or []
    fitting = [version for version in versions if tags.items() <= (version.tags or {}).items()]
    return max(fitting, key=lambda version: version.creation_context.created_at, default=None)


def version_of_image(ml, image, build_number=""):
    """The model version that was put into this image; of this build, if several have the same image."""
    of_build = {"build_number": build_number} if build_number else {}
    version = find_version(ml, image.model, model_image_id=image.id, **of_build)
    version = version or find_version(ml, image.model, model_image_id=image.id)
    if version is None:
        raise DeliveryError(f"No version of the model '{image.model}' in Azure ML has the image {image.id}: build it.")
    print(f"Model: {image.model} {version.version}, build {version.tags.get('build_number')}")
    return version
