"""A cloud of plain objects for the stories of delivery: jobs with their runs and logs, models, a registry, a scope."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, cast

from mlops_tui.clouds.cloud import AZURE
from mlops_tui.clouds.databricks_experiments import TrackedRun
from mlops_tui.clouds.databricks_runs import RunInfo, RunOutput
from mlops_tui.clouds.ml_models import ModelVersion
from mlops_tui.errors import NotFoundError, UnreachableError
from mlops_tui.project import Project
from mlops_tui.session import Session

REPOSITORY = "mlops1a2b3c.azurecr.io/winequality"
HOST = "https://adb-1.2.azuredatabricks.net"


def image_id(digit: str) -> str:
    return f"{REPOSITORY}@sha256:{digit * 64}"


def tracked(run_id: str, build: str, rmse: float) -> TrackedRun:
    tags = {"build_number": build, "build_source": "local"}
    return TrackedRun(run_id, "1", f"run {run_id}", "FINISHED", {}, {"rmse": rmse, "mae": 0.5}, tags, 1.0, 2.0)


def version(number: str, build: str, run_id: str, image: str, **tags: str) -> ModelVersion:
    told = {"build_number": build, "build_source": "local", "run_id": run_id, "model_image_id": image}
    return ModelVersion(f"/models/winequality/versions/{number}", "winequality", number, told | tags, float(number))


@dataclass
class FakeCloud:
    """Every job run goes from pending over running to its end, a state a look."""

    versions_: list[ModelVersion] = field(default_factory=list)
    tracked_: list[TrackedRun] = field(default_factory=list)
    results: list[str | Exception] = field(default_factory=list)  # of job runs in their order: exit values, or errors
    in_registry: set[str] = field(default_factory=set)
    secrets_: dict[str, str] = field(default_factory=dict)
    started: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    tokens: dict[str, int] = field(default_factory=dict)
    looks: dict[int, int] = field(default_factory=dict)
    unreachable: int = 0  # how many looks at a run fail
    ended_as: str = "succeeded"
    lines: bytes = b"one\ntwo\n"
    never_ends: bool = False
    cluster_is_there: bool = False  # that of Kubernetes
    registers: ModelVersion | None = None  # what the next job run makes

    def session(self, project: Project | None = None) -> Session:
        session = Session(project or Project(), AZURE)
        session._clients = cast("Any", self)
        for name, value in {
            "databricks_host": HOST,
            "subscription_id": "s-1",
            "caller_name": "ada@example.com",
            "build_job_id": "1",
            "aci_job_id": "2",
            "aks_job_id": "3",
            "delivery_jobs": "there",
        }.items():
            session.learn(name, value)
        return session

    # what a session asks for
    def databricks(self, host: str) -> FakeCloud:
        return self

    def close(self) -> None:
        pass

    @property
    def host(self) -> str:
        return HOST

    @property
    def jobs(self) -> FakeCloud:
        return self

    @property
    def files(self) -> FakeCloud:
        return self

    @property
    def runs(self) -> Any:
        return _Runs(self)

    @property
    def experiments(self) -> Any:
        return SimpleNamespace(runs=self._tracked)

    @property
    def models(self) -> Any:
        return SimpleNamespace(versions=lambda workspace, model: tuple(self.versions_), tag=self._tag)

    @property
    def container_images(self) -> Any:
        return SimpleNamespace(exists=lambda image: image in self.in_registry)

    @property
    def resources(self) -> Any:
        return SimpleNamespace(get=lambda *_: {"name": "myaks"} if self.cluster_is_there else None)

    @property
    def secrets(self) -> Any:
        return SimpleNamespace(
            read=lambda scope, key, known="": self.secrets_.get(key),
            put=lambda scope, key, value: self.secrets_.update({key: value}),
        )

    # jobs and files
    def run_now(self, job_id: int, parameters: Mapping[str, str], token: str) -> int:
        assert 0 < len(token) <= 64, "run-now is never asked without an idempotency token"
        if token not in self.tokens:
            self.started.append((job_id, dict(parameters)))
            if self.registers:
                self.versions_.insert(0, self.registers)
            self.tokens[token] = 100 + len(self.started)
        return self.tokens[token]

    def list(self, folder: str) -> dict[str, int]:
        run_id = int(folder.split("/")[-2])
        assert folder.endswith("/delivery")
        begun = self.looks.get(run_id, 0) > 1
        return {"000000.log": len(self.lines)} if begun else {}

    def read(self, path: str, offset: int = 0) -> bytes:
        return self.lines[offset:]

    def state_of(self, run_id: int, look: bool = False) -> str:
        if look:
            self.looks[run_id] = self.looks.get(run_id, 0) + 1
        seen = self.looks.get(run_id, 0)
        if seen >= 4 and not self.never_ends:
            return "failed" if isinstance(self._result(run_id), Exception) else self.ended_as
        return "pending" if seen < 2 else "running"

    def output_of(self, run_id: int) -> RunOutput:
        result = self._result(run_id)
        if isinstance(result, Exception):
            text = f"{type(result).__name__}: {result}"
            return RunOutput("", text, f"\x1b[31mTraceback (most recent call last)\x1b[0m\n  line 7\n{text}")
        return RunOutput(result, "", "")

    def _result(self, run_id: int) -> str | Exception:
        return self.results[run_id - 101]

    def _tracked(self, experiment: str, tags: dict[str, str], limit: int = 200) -> tuple[TrackedRun, ...]:
        return tuple(run for run in self.tracked_ if tags.items() <= run.tags.items())[:limit]

    def _tag(self, one: ModelVersion, tags: Mapping[str, str]) -> ModelVersion:
        place = self.versions_.index(one)
        self.versions_[place] = replace(one, tags=one.tags | dict(tags))
        return self.versions_[place]


class _Runs:
    def __init__(self, cloud: FakeCloud) -> None:
        self._cloud = cloud

    def get(self, run_id: int) -> RunInfo:
        if self._cloud.unreachable and self._cloud.looks.get(run_id, 0) > 1:
            self._cloud.unreachable -= 1
            raise UnreachableError("Nobody answers.")
        return self._info(run_id, look=True)

    def of_job(self, job_id: int, limit: int) -> tuple[RunInfo, ...]:
        mine = [101 + place for place, (job, _) in enumerate(self._cloud.started) if job == job_id]
        return tuple(self._info(run_id) for run_id in reversed(mine))[:limit]

    def output(self, run_id: int) -> RunOutput:
        return self._cloud.output_of(run_id - 1000)

    def _info(self, run_id: int, look: bool = False) -> RunInfo:
        if not 101 <= run_id <= 100 + len(self._cloud.started):
            raise NotFoundError(f"There is no job run {run_id}.")
        given = tuple(self._cloud.started[run_id - 101][1].items())
        status = self._cloud.state_of(run_id, look)
        url = f"{HOST}/run/{run_id}"
        return RunInfo(run_id, "job", cast("Any", status), status, url, None, (run_id + 1000,), given)


def built(image: str, build: str = "7", run_id: str = "r1", number: str = "1") -> str:
    """What the build's notebook returns."""
    return json.dumps(
        {
            "model_image_id": image,
            "build_number": build,
            "build_source": "local",
            "run_id": run_id,
            "model": "winequality",
            "version": number,
            "metrics": {"rmse": 0.7},
        }
    )
