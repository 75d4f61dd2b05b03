# Databricks notebook source
# MAGIC %md
# MAGIC # Online endpoints, and how a model is replaced while people use it
# MAGIC
# MAGIC What the notebooks for Kubernetes and for managed endpoints share; they take this one in with `%run ./online_endpoint`.
# MAGIC
# MAGIC An *endpoint* is an address with a key. Behind it stand *deployments*, each a model that runs, and the endpoint shares
# MAGIC the traffic out among them. We keep two, called `blue` and `green`. The new model starts beside the old one, without
# MAGIC any traffic; only when it answers as it should, all traffic goes to it, at once. The old one stays, so that going back
# MAGIC is a matter of seconds. Nobody notices a moment without an answer.

# COMMAND ----------

from azure.ai.ml.entities import Environment, OnlineRequestSettings
from azure.core.exceptions import AzureError

NAMES = ("blue", "green")
PORT = 5001  # on which the image listens
ROUTES = {
    "liveness_route": {"path": "/ping", "port": PORT},
    "readiness_route": {"path": "/ping", "port": PORT},
    "scoring_route": {"path": "/score", "port": PORT},
}
# Azure ML by itself lets one request in at a time, for 5 seconds; the web server of our image takes many.
REQUESTS = OnlineRequestSettings(max_concurrent_requests_per_instance=20, request_timeout_ms=30_000)

# COMMAND ----------


def environment_of(image):
    """The image as Azure ML takes it: with its own web server, and where that answers."""
    return Environment(
        name=f"{image.model}-image",
        version=image.digest.removeprefix("sha256:")[:32],
        image=image.id,
        inference_config=ROUTES,
    )


def check_verdict(version, stage, force):
    """Nothing goes to production that has not passed its validation, unless somebody says why."""
    verdict = version.tags.get("verdict", "")
    if stage != "production" or verdict == "passed":
        return
    found = "has failed its validation" if verdict == "failed" else "has not been validated"
    if not force:
        raise DeliveryError(
            f"The model {version.name} {version.version} {found}; it does not go to production. "
            "Validate it in staging first, or give a reason in `force`."
        )
    print(f"The model {version.name} {version.version} {found}, and goes to production all the same: {force}")


class OnlineEndpoint:
    """One endpoint of Azure ML and its deployments. `make` gives the endpoint as it is made first."""

    def __init__(self, ml, name, make):
        self.ml, self.name, self.make = ml, name, make
        self.what = f"Endpoint {name}"

    def get(self):
        return look_up(lambda: self.ml.online_endpoints.get(self.name))

    def deployment(self, name):
        return look_up(lambda: self.ml.online_deployments.get(name, self.name))

    def find_or_make(self):
        """The endpoint at rest. One that never came up, and so has no deployment, is removed and made again."""
        found = settled(self.get, self.what)
        if found and state_of(found) != "Succeeded" and not list(self.ml.online_deployments.list(self.name)):
            print(f"{self.what}: has failed before, made again")
            wait(self.ml.online_endpoints.begin_delete(self.name), f"{self.what}, removing")
            found = None
        if found is None:
            print(f"{self.what}: not there, made now")
            self.update(self.make())
        return self.get()

    def update(self, endpoint):
        try:
            poller = self.ml.online_endpoints.begin_create_or_update(endpoint)
        except AzureError as error:
            raise DeliveryError(f"{self.what} is refused by Azure: {reason(error)}") from error
        wait(poller, self.what, lambda: state_of(self.get()))

    def remove(self, name):
        wait(self.ml.online_deployments.begin_delete(name, self.name), f"Deployment {name}, removing")

    def key(self):
        return self.ml.online_endpoints.get_keys(self.name).primary_key

    def start(self, deployment):
        """Make a deployment and wait until it runs. One that does not come up is removed again, with its log shown."""
        what = f"Deployment {deployment.name}"
        try:
            poller = self.ml.online_deployments.begin_create_or_update(deployment)
        except AzureError as error:
            raise DeliveryError(f"{what} is refused by Azure: {reason(error)}") from error
        try:
            wait(poller, what, lambda: state_of(self.deployment(deployment.name)))
        except DeliveryError:
            self.give_up(deployment.name)
            raise

    def give_up(self, name):
        """Show what a deployment has logged, and remove it: it costs money, and the name is needed."""
        if settled(lambda: self.deployment(name), f"Deployment {name}") is None:
            return
        try:
            print(self.ml.online_deployments.get_logs(name, self.name, lines=50))
        except AzureError as error:
            print(f"Deployment {name} has no log: {reason(error)}")
        self.remove(name)


# COMMAND ----------


def has(deployment, image, version):
    """Whether a deployment runs this image of this build."""
    tags = (deployment.tags or {}) if deployment else {}
    wanted = {"model_image_id": image.id, "build_number": version.tags.get("build_number", "")}
    return bool(deployment) and state_of(deployment) == "Succeeded" and wanted.items() <= tags.items()


def live_of(endpoint):
    """The deployment that has the traffic; empty as long as none has."""
    shares = {name: share for name, share in (endpoint.traffic or {}).items() if share}
    return max(shares, key=shares.get, default="")


def deploy_beside(online, image, version, make_deployment, log):
    """Blue/green: the new deployment beside the old, its smoke test, then the traffic. Its name and the scoring URL."""
    endpoint = online.find_or_make()
    key, run_id = online.key(), version.tags["run_id"]
    log.hide(key)
    live = live_of(endpoint)
    old = online.deployment(live) if live else None
    if has(old, image, version):
        print(f"{online.what}: {live} runs this image already")
        smoke_test(endpoint.scoring_uri, key, run_id)
        return live, endpoint.scoring_uri

    name = next(name for name in NAMES if name != live)
    tags = {name: version.tags.get(name, "") for name in ("build_number", "build_source")}
    tags |= {"model_image_id": image.id, "model": version.name, "version": str(version.version)}
    there = settled(lambda: online.deployment(name), f"Deployment {name}")
    if has(there, image, version):
        print(f"Deployment {name}: runs this image already, without traffic")
    else:
        if there:
            online.remove(name)
        print(f"Deployment {name}: starts without traffic{f', beside {live}' if live else ''}")
        online.start(make_deployment(name, environment_of(image), tags))
    try:
        smoke_test(endpoint.scoring_uri, key, run_id, name)
    except DeliveryError:
        online.give_up(name)
        raise
    switch(online, name, tags, old)
    smoke_test(endpoint.scoring_uri, key, run_id)
    return name, endpoint.scoring_uri


def switch(online, name, tags, old):
    """All traffic to one deployment, none to the others; and the endpoint's tags say so, for a rollback."""
    endpoint = settled(online.get, online.what)
    was = (old.tags or {}) if old else {}
    endpoint.traffic = {other: 0 for other in endpoint.traffic or {}} | {name: 100}
    endpoint.tags = (endpoint.tags or {}) | {
        "current_build": tags["build_number"],
        "current_image": tags["model_image_id"],
        "previous_build": was.get("build_number", ""),
        "previous_image": was.get("model_image_id", ""),
    }
    print(f"{online.what}: all traffic to {name}")
    online.update(endpoint)
