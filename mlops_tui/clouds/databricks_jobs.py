"""Jobs (Databricks REST reference, Jobs 2.2). What became of their runs is read in `databricks_runs`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlops_tui.clouds.databricks_errors import made_once, speaking_of
from mlops_tui.errors import NotFoundError

if TYPE_CHECKING:
    from mlops_tui.clouds.databricks import Databricks

Settings = dict[str, Any]  # a job as jobs/create and jobs/get spell it


@dataclass(frozen=True)
class Job:
    id: int
    created: int  # milliseconds since 1970
    tags: dict[str, str]


class Jobs:
    """The jobs of one workspace."""

    def __init__(self, databricks: Databricks) -> None:
        self._databricks = databricks

    def named(self, name: str) -> list[Job]:
        """All of exactly that name, oldest first; names need not be unique."""
        with speaking_of("the jobs"):
            listed = list(self._databricks.client.jobs.list(name=name))
        found = [
            Job(job.job_id or 0, job.created_time or 0, dict(job.settings.tags or {}))
            for job in listed
            if job.settings is not None and job.settings.name == name  # the filter of the service ignores case
        ]
        return sorted(found, key=lambda job: (job.created, job.id))

    def settings(self, job_id: int) -> Settings:
        """As jobs/get gives them. Raises NotFoundError."""
        with speaking_of(f"the job {job_id}"):
            return dict(self._ask("GET", "2.2/jobs/get", query={"job_id": job_id}).get("settings", {}))

    def create(self, settings: Settings) -> int:
        """Its id. Where the connection breaks before the answer, looks whether it was made."""
        name = str(settings["name"])
        before = {job.id for job in self.named(name)}

        def ask() -> int:
            with speaking_of(f"the job {name}"):
                return int(self._ask("POST", "2.2/jobs/create", body=settings)["job_id"])

        return made_once(ask, lambda: next((job.id for job in self.named(name) if job.id not in before), None))

    def reset(self, job_id: int, settings: Settings) -> None:
        """Replace all settings; runs under way keep theirs. Raises NotFoundError."""
        with speaking_of(f"the job {job_id}"):
            self._ask("POST", "2.2/jobs/reset", body={"job_id": job_id, "new_settings": settings})

    def delete(self, job_id: int) -> bool:
        """False where it is gone already."""
        try:
            with speaking_of(f"the job {job_id}"):
                self._ask("POST", "2.2/jobs/delete", body={"job_id": job_id})
        except NotFoundError:
            return False
        return True

    def run_now(self, job_id: int, parameters: Mapping[str, str], idempotency_token: str) -> int:
        """Start it and return the run's id.

        The same token (64 characters at most) gives the same run however often it is asked, so that neither a retry of
        ours nor one of the SDK's starts a second. Raises NotFoundError where there is no such job.
        """
        with speaking_of(f"a run of the job {job_id}"):
            wanted = {
                "job_id": job_id,
                "job_parameters": dict(parameters),
                "idempotency_token": idempotency_token,
            }
            return int(self._ask("POST", "2.2/jobs/run-now", body=wanted)["run_id"])

    def _ask(self, method: str, path: str, body: Settings | None = None, query: Settings | None = None) -> Settings:
        answer = self._databricks.client.api_client.do(method, f"/api/{path}", body=body, query=query)
        return answer if isinstance(answer, dict) else {}
