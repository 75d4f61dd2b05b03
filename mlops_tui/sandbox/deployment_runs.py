"""The processes of online deployments: started, waited for, put in the place of those before, taken away."""

from __future__ import annotations

import http.client
import logging
import time
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from mlops_tui.sandbox.api import ApiError, Body
from mlops_tui.sandbox.container_state import Container
from mlops_tui.sandbox.containers import Containers
from mlops_tui.sandbox.dialects import ARM
from mlops_tui.sandbox.generations import Generation, Generations, Plan, Problem, Running
from mlops_tui.sandbox.images import Image, Images
from mlops_tui.sandbox.long_running import NotYet
from mlops_tui.sandbox.model_images import ModelImages
from mlops_tui.sandbox.scoring_door import ScoringDoor

if TYPE_CHECKING:
    from mlops_tui.sandbox.sandbox import Sandbox

log = logging.getLogger("mlops_tui.sandbox")
HELP = "Please see troubleshooting guide, available here: https://aka.ms/oe-tsg#error-"
MOST_PROCESSES = 2  # for a deployment, whatever its instance count: they all share this one machine
LINES = 20  # of the log, in an error
LOST, ENDED = ("ErrImagePull", "ImagePullBackOff"), ("Error", "Completed")  # details of a container's state


class DeploymentRuns:
    """Brings what runs to what was planned. `sandbox` must be up."""

    patience: ClassVar[float] = 120.0  # seconds at most, whatever the probes allow
    crashes: ClassVar[int] = 2  # restarts, after which nobody waits any longer

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._generations = Generations(sandbox)
        self._since = time.time()  # a sandbox that comes back waits anew

    def begin(self, deployment: Body, endpoint: Body, plan: Plan) -> None:
        """Start what is planned, beside what answers; where the same processes will do, change how they are asked."""
        running = self._generations.of(deployment["id"])
        image = self._image(plan)
        digest = image.digest if image else ""
        live = running.live
        if live and running.newest is live and live.plan.runs_like(plan) and live.digest == digest:
            self._generations.keep(deployment["id"], replace(running, live=replace(live, plan=plan)))
            return
        # Never twice: what a deleted deployment of this name has left ends a while after it, by its containers' names.
        number = self._sandbox.store.next_number("online-generation")
        place = f"online/{endpoint['name']}/{deployment['name']}".lower()
        names = tuple(f"{place}/{number}-{one}" for one in range(1, min(plan.instances, MOST_PROCESSES) + 1))
        fresh = Generation(number, plan, names, digest, time.time())
        if image is None:
            fresh = replace(fresh, containers=(), problem=_image_problem(plan))
        for old in (running.next, running.failed):
            self._retire(old)
        self._generations.keep(deployment["id"], Running(live=live, next=fresh))
        if image is not None:
            for name in fresh.containers:
                self._sandbox.find(Containers).run(name, image, plan.environment)

    def advance(self, deployment_id: str) -> None:
        """One look at what was begun. Raises NotYet while it comes up, and ApiError where it does not."""
        running = self._generations.of(deployment_id)
        fresh = running.next
        if fresh is None:
            if running.failed and running.failed is running.newest:
                raise _failure(running.failed)
            return
        problem = fresh.problem or self._problem(fresh)
        if problem is None:
            with self._sandbox.store.transaction():
                self._generations.keep(deployment_id, Running(live=fresh))
                self._retire(running.live)
            return
        failed = replace(fresh, problem=problem)
        for name in failed.containers:
            self._sandbox.find(Containers).halt(name)
        self._generations.keep(deployment_id, Running(live=running.live, failed=failed))
        raise _failure(failed)

    def forget(self, deployment_id: str) -> None:
        """The deployment is no more: its processes end when they have answered."""
        with self._sandbox.store.transaction():
            for generation in self._generations.of(deployment_id).all:
                self._retire(generation)
            self._generations.forget(deployment_id)

    def look(self, generation: Generation) -> list[Container]:
        found = (self._sandbox.find(Containers).look(name) for name in generation.containers)
        return [one for one in found if one is not None]

    def newest(self, deployment_id: str) -> Generation | None:
        """The one that a log is about."""
        return self._generations.of(deployment_id).newest

    def _retire(self, generation: Generation | None) -> None:
        if generation is not None:
            self._sandbox.find(ScoringDoor).retire(generation.containers)

    def _image(self, plan: Plan) -> Image | None:
        if plan.image:
            return Images(self._sandbox).find(plan.image)
        return ModelImages(self._sandbox).image(plan.model)

    def _problem(self, fresh: Generation) -> Problem | None:
        """Why it will not come up; None when it is ready. Raises NotYet."""
        plan, containers = fresh.plan, self.look(fresh)
        for one in containers:
            if one.detail in LOST:
                return _image_problem(plan)
            if one.restarts >= self.crashes or (one.status == "terminated" and one.detail not in ENDED):
                return self._crash(plan, one)
            if plan.port and (listening := self._listens_at(plan)) not in (0, plan.port):
                message = (
                    f"Readiness probe failed: dial tcp 127.0.0.1:{plan.port}: connect: connection refused. The "
                    f"environment's routes name port {plan.port}; the image listens on port {listening}."
                )
                return Problem("ResourceNotReady", message)
        ready = len(containers) == len(fresh.containers) and all(
            one.ready and answers_well(one.port, plan.readiness_path) for one in containers
        )
        if ready:
            return None
        waited = time.time() - max(fresh.asked_at, self._since)
        if waited <= min(plan.patience, self.patience):
            raise NotYet
        message = f"Readiness probe failed: GET {plan.readiness_path} did not answer 200 within {waited:.0f} s."
        return Problem("ResourceNotReady", f"{message} {HELP}resourcenotready")

    def _listens_at(self, plan: Plan) -> int:
        """The port that the image's server is told, or says, to listen on; 0 where it does not say."""
        image = self._image(plan)
        return int(image.environment.get("UVICORN_PORT") or image.port) if image else 0

    def _crash(self, plan: Plan, container: Container) -> Problem:
        code = "DeploymentCrashLoopBackOff" if plan.on_kubernetes else "ResourceNotReady"
        said = self._sandbox.find(Containers).logs(container.name, LINES).strip()
        exit_code = container.exit_code if container.exit_code is not None else _exit_code(container)
        message = (
            f"User container has crashed or terminated (exit code {exit_code}, {container.restarts} restarts). {HELP}"
            f"resourcenotready\nThe last lines of its log:\n{said or '(it printed nothing)'}"
        )
        return Problem(code, message)


def _exit_code(container: Container) -> int | str:
    return container.previous.exit_code if container.previous else "unknown"


def _image_problem(plan: Plan) -> Problem:
    code = "ImagePullLoopBackOff" if plan.on_kubernetes else "BadArgument"
    if not plan.image:
        message = (
            f"The model '{plan.model}' cannot be served without an environment: it must be an MLflow model whose files "
            "are in the workspace's default datastore. Give the deployment an environment with an image."
        )
        return Problem("ImageBuildFailure", message)
    message = (
        f"The container image '{plan.image}' could not be pulled: it was not found in a container registry of this "
        f"subscription. Make sure that the image is there and that its address is right. {HELP}"
        "unable-to-download-user-container-image"
    )
    return Problem(code, message)


def _failure(failed: Generation) -> ApiError:
    problem = failed.problem or Problem("InternalServerError", "The deployment failed.")
    return ARM.error(400, problem.code, problem.message)


def answers_well(port: int, path: str) -> bool:
    """Whether a GET answers 200. At once, or not: who asks holds others up."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=0.5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
