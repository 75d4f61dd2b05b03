# Databricks notebook source
# MAGIC %md
# MAGIC # Images, services, and whether they work
# MAGIC
# MAGIC What the serving notebooks share besides the way into Azure: how an image is named and found in its registry, how a
# MAGIC service is named, and the smoke test. They take this notebook in with `%run ./model_service`, after
# MAGIC `azure_workspace`; by itself it does nothing.

# COMMAND ----------

import functools
import math
import re
import time

import mlflow
import pandas as pd
import requests

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
