# Databricks notebook source
# MAGIC %md
# MAGIC # The way into Azure
# MAGIC
# MAGIC What the serving notebooks share: how they sign in to Azure, find the Azure ML workspace and the model's image, wait
# MAGIC for what takes Azure minutes, and test what they have deployed. They take this notebook in with
# MAGIC `%run ./azure_workspace`; by itself it does nothing.
# MAGIC
# MAGIC The cluster needs these packages, which the jobs of mlops-tui install: `azure-identity`, `azure-ai-ml`,
# MAGIC `azure-mgmt-resource`, `azure-mgmt-containerinstance`, `azure-mgmt-containerregistrytasks`.

# COMMAND ----------

import functools
import hashlib
import logging
import math
import re
import time

import mlflow
import pandas as pd
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
    while not poller.done():
        poller.wait(2)
        seconds = time.monotonic() - started
        if seconds > minutes * 60:
            raise DeliveryError(f"{what} is not over after {minutes} minutes. Run this again: it goes on from there.")
        state = "" if poller.done() else look()
        if state and (state != last or seconds - told > 20):
            print(f"{what}: {state} ({seconds:.0f} s)")
            last, told = state, seconds
    try:
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


# COMMAND ----------

# MAGIC %md
# MAGIC ## The container image
# MAGIC
# MAGIC An image is named by its *digest*, a fingerprint of all that is in it. A name with a digest means the very same image
# MAGIC for ever; a name with a mere tag, such as `latest`, can mean another one tomorrow.

# COMMAND ----------

MANIFESTS = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)


class Image:
    """What the parts of `<registry>/<model>@sha256:<digest>` mean."""

    def __init__(self, text):
        repository, _, self.digest = text.rpartition("@")
        self.registry, _, self.model = repository.rpartition("/")
        if not (self.registry and self.model and re.fullmatch(r"sha256:[0-9a-f]{64}", self.digest)):
            raise DeliveryError(
                f"'{text}' is no image that can be deployed. model_image_id must be what serving_build_container_image "
                "returns: <registry>/<model>@sha256:<64 digits>."
            )
        self.id = text


def find_digest(azure, server, model, reference):
    """The digest of an image in the registry, by its tag or digest; None if there is none.

    A registry answers a first request with where to get a token for it; the service principal's password opens that.
    """
    url, accept = f"https://{server}/v2/{model}/manifests/{reference}", {"Accept": MANIFESTS}
    try:
        answer = requests.head(url, headers=accept, timeout=60)
        if answer.status_code == 401:
            kind, _, challenge = answer.headers["WWW-Authenticate"].partition(" ")
            asked = requests.utils.parse_dict_header(challenge)
            account = (azure.client_id, azure.client_secret)
            options = {"service": asked.get("service", server), "scope": f"repository:{model}:pull"}
            token = requests.get(asked["realm"], params=options, auth=account, timeout=60)
            token.raise_for_status()
            accept["Authorization"] = f"Bearer {token.json()['access_token']}"
            answer = requests.head(url, headers=accept, timeout=60)
        if answer.status_code == 404:
            return None
        answer.raise_for_status()
    except requests.RequestException as error:
        raise DeliveryError(f"The container registry {server} cannot be asked for {model}: {error}") from error
    return answer.headers["Docker-Content-Digest"]


def find_image(azure, text):
    """The image that is to be deployed. Raises DeliveryError if it is not in its registry."""
    image = Image(text)
    if find_digest(azure, image.registry, image.model, image.digest) is None:
        raise DeliveryError(f"The image {text} is not in its registry any more. Build it again, or deploy another one.")
    print(f"Image: {image.id}")
    return image


def service_name(text):
    """A name that Azure takes for a service: capitals become small letters."""
    name = text.lower()
    if not re.fullmatch(r"[a-z][a-z0-9-]{1,30}[a-z0-9]", name):
        raise DeliveryError(
            f"'{text}' cannot be a service's name: 3 to 32 letters, digits and dashes, a letter first, no dash last."
        )
    return name


# COMMAND ----------

# MAGIC %md
# MAGIC ## The smoke test
# MAGIC
# MAGIC A service that has started is not yet a service that works. We ask it about ten rows of the test set that was kept when
# MAGIC the model was trained, and it must answer what the model itself answers here; and it must refuse whoever has no key.

# COMMAND ----------


@functools.cache
def kept_rows(run_id, count=10):
    """The first rows of a run's kept test set as the model takes them, and what the model predicts for them."""
    model = mlflow.pyfunc.load_model(f"runs:/{run_id}/model")
    table = mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path="test_set/test.csv")
    rows = pd.read_csv(table).head(count)
    schema = model.metadata.get_input_schema()
    if schema is not None:
        rows = rows.astype(dict(zip(schema.input_names(), schema.pandas_types())))[schema.input_names()]
    return rows, list(model.predict(rows))


def ask(url, rows, key="", deployment="", patience=120):
    """The answer of a service. One that is just starting is asked again until `patience`, in seconds, is over."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    if deployment:
        headers["azureml-model-deployment"] = deployment  # this one, however the traffic is shared out
    body = {"dataframe_split": rows.to_dict("split", index=False)}
    deadline = time.monotonic() + patience
    while True:
        try:
            answer = requests.post(url, json=body, headers=headers, timeout=60)
            if answer.status_code not in (404, 424, 502, 503, 504) or time.monotonic() > deadline:
                return answer
        except requests.ConnectionError as error:
            if time.monotonic() > deadline:
                raise DeliveryError(f"{url} does not answer: {error}") from error
        time.sleep(1)


def same(served, expected):
    """Equal, for figures but for the last digits: another processor may round those differently."""
    if isinstance(expected, (int, float)) and isinstance(served, (int, float)):
        return math.isclose(served, expected, rel_tol=1e-9, abs_tol=1e-12)
    return served == expected


def smoke_test(url, key, run_id, deployment=""):
    """Raises DeliveryError unless the service answers what the model says, and nothing to those without its key."""
    rows, predictions = kept_rows(run_id)
    expected = [getattr(value, "item", lambda value=value: value)() for value in predictions]
    answer = ask(url, rows, key, deployment)
    if answer.status_code != 200:
        raise DeliveryError(f"Smoke test: {url} answers {answer.status_code}: {answer.text[:500]}")
    served = answer.json()["predictions"]
    different = [pair for pair in zip(served, expected) if not same(*pair)]
    if len(served) != len(expected) or different:
        raise DeliveryError(f"Smoke test: the service predicts {served}, the model itself {expected}.")
    refused = ask(url, rows, "", deployment).status_code
    if refused not in (401, 403):
        raise DeliveryError(f"Smoke test: without its key the service answers {refused}; anybody could use it.")
    print(f"Smoke test: {len(served)} rows as predicted by the model; without the key: {refused}")
