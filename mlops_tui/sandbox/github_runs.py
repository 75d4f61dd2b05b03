"""GitHub: runs of workflows, their jobs, what waits for somebody's yes, logs and artifacts.

Shapes: GitHub REST API, "Workflow runs" (pending deployments among them), "Workflow jobs", "Artifacts". A job's log is
there once the job has ended, behind an address that is good for a minute.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import secrets
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, RedirectResponse, Response

from mlops_tui.sandbox.api import Body, Call, Endpoint, Principal, answer
from mlops_tui.sandbox.dialects import OPEN
from mlops_tui.sandbox.github_dialect import GITHUB
from mlops_tui.sandbox.github_environments import GitHubEnvironments, ensure
from mlops_tui.sandbox.github_job_log import job_log, run_archive
from mlops_tui.sandbox.github_run_views import JOBS, annotation_shown, job_shown, jobs_of, run_shown, time_of
from mlops_tui.sandbox.github_service import GitHubService, Need
from mlops_tui.sandbox.github_workflows import READ, RUN, GitHubWorkflows
from mlops_tui.sandbox.pipelines.service import Pipelines

if TYPE_CHECKING:
    from mlops_tui.sandbox.sandbox import Sandbox

SIGNED = 60  # seconds for which an address with a signature is good
REVIEW = Need("deployments", "write", "read")


class GitHubRuns(GitHubService):
    """Below /repos/{owner}/{repo}: actions/runs…, actions/jobs…, actions/artifacts…"""

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(sandbox)
        self._key = secrets.token_bytes(32)

    def routes(self) -> list[Endpoint]:
        run = "/actions/runs/{run}"
        return [
            self.at("GET", "/actions/runs", self.show_all, READ),
            self.at("GET", "/actions/workflows/{workflow}/runs", self.show_all, READ),
            self.at("GET", run, self.show, READ),
            self.at("POST", f"{run}/cancel", self.cancel, RUN),
            self.at("GET", f"{run}/jobs", self.list_jobs, READ),
            self.at("GET", f"{run}/logs", self.run_log, READ),
            self.at("GET", f"{run}/pending_deployments", self.pending, READ),
            self.at("POST", f"{run}/pending_deployments", self.review, REVIEW),
            self.at("GET", f"{run}/artifacts", self.list_artifacts, READ),
            self.at("GET", "/actions/jobs/{job}", self.show_job, READ),
            self.at("GET", "/actions/jobs/{job}/logs", self.job_log, READ),
            self.at("GET", "/check-runs/{job}/annotations", self.annotations, Need("checks", "read", "read")),
            self.at("GET", "/actions/artifacts/{artifact}/zip", self.download, READ),
            self.on("GET", "/_services/pipelines/signed/{kind}/{run}/{name:path}", self.signed, OPEN),
        ]

    @property
    def _pipelines(self) -> Pipelines:
        return self.sandbox.find(Pipelines)

    def show_all(self, call: Call, repository: Body) -> Response:
        """Newest first; by workflow, branch, event and status."""
        workflows = self.sandbox.find(GitHubWorkflows)
        if wanted := call.params.get("workflow"):
            known = {str(workflows.named(repository, wanted)["id"])}
        else:
            known = {str(one["id"]) for one in workflows.of(repository)}
        runs = [run for run in self._pipelines.records("github", _full(repository)) if run["pipeline"] in known]
        shown = [self._shown(repository, run) for run in runs]
        for name, field in (("branch", "head_branch"), ("event", "event"), ("head_sha", "head_sha")):
            if value := call.query.get(name):
                shown = [run for run in shown if run[field] == value]
        if value := call.query.get("status"):
            shown = [run for run in shown if value in (run["status"], run["conclusion"])]
        return self.page(call, "workflow_runs", shown)

    def _find(self, repository: Body, run_id: str) -> Body:
        """Raises 404, also for one of another repository, or of one of that name before."""
        run = self._pipelines.record(run_id)
        workflows = {str(one["id"]) for one in self.sandbox.find(GitHubWorkflows).of(repository)}
        if run is None or run["host"] != "github" or run["pipeline"] not in workflows:
            raise GITHUB.not_found()
        return run

    def _addresses(self, repository: Body) -> tuple[str, str]:
        return f"{self.api}/repos/{_full(repository)}", f"{self.sandbox.origin}/{_full(repository)}"

    def _shown(self, repository: Body, run: Body) -> Body:
        actor = self.person(self.accounts.of(Principal(**run["requested_by"])))
        return run_shown(run, *self._addresses(repository), actor)

    def show(self, call: Call, repository: Body) -> Body:
        return self._shown(repository, self._find(repository, call.params["run"]))

    def cancel(self, call: Call, repository: Body) -> Response:
        run = self._find(repository, call.params["run"])
        if run["state"] == "completed":
            raise GITHUB.error(409, "", "Cannot cancel a workflow run that is completed.")
        self._pipelines.cancel(run["id"])
        return answer({}, 202)

    def list_jobs(self, call: Call, repository: Body) -> Response:
        run = self._find(repository, call.params["run"])
        addresses = self._addresses(repository)
        return self.page(call, "jobs", [job_shown(run, job, *addresses) for job in jobs_of(run)])

    def _job(self, call: Call, repository: Body) -> tuple[Body, Body]:
        number = call.params["job"]
        if not number.isdecimal():
            raise GITHUB.not_found()
        run = self._find(repository, str(int(number) // JOBS))
        jobs = jobs_of(run)
        if int(number) % JOBS >= len(jobs):
            raise GITHUB.not_found()
        return run, jobs[int(number) % JOBS]

    def show_job(self, call: Call, repository: Body) -> Body:
        return job_shown(*self._job(call, repository), *self._addresses(repository))

    def job_log(self, call: Call, repository: Body) -> Response:
        run, job = self._job(call, repository)
        if job["state"] != "completed" or job["result"] == "skipped":
            raise GITHUB.not_found()
        return self._redirect("log", run["id"], job["id"])

    def run_log(self, call: Call, repository: Body) -> Response:
        """An archive of all its logs, once it has ended."""
        run = self._find(repository, call.params["run"])
        if run["state"] != "completed":
            raise GITHUB.not_found()
        return self._redirect("run", run["id"], "logs.zip")

    def annotations(self, call: Call, repository: Body) -> Response:
        """Of a job, which is a check run of the same number (REST API, "Check runs")."""
        _, job = self._job(call, repository)
        return self.page(call, "", [annotation_shown(issue) for issue in job["issues"]])

    # Who must say yes

    def _waiting(self, run: Body) -> list[Body]:
        return [job for job in jobs_of(run) if job["approval"] and job["approval"]["state"] == "pending"]

    def _may_review(self, account: Body, run: Body, environment: Body) -> bool:
        own = run["requested_by"]["object_id"] == account["object_id"]
        return account["id"] in environment["reviewers"] and not (own and environment["prevent_self_review"])

    def pending(self, call: Call, repository: Body) -> Response:
        run, me = self._find(repository, call.params["run"]), self.accounts.of(call.caller)
        environments = self.sandbox.find(GitHubEnvironments)
        rows = []
        for job in self._waiting(run):
            environment = ensure(self.store, repository, job["environment"])
            page = (
                f"{self._addresses(repository)[1]}/deployments/activity_log?environments_filter={environment['name']}"
            )
            rows.append(
                {
                    "environment": {"id": environment["id"], "name": environment["name"], "html_url": page},
                    "wait_timer": environment["wait_timer"],
                    "wait_timer_started_at": time_of(job["approval"]["asked"]),
                    "current_user_can_approve": self._may_review(me, run, environment),
                    "reviewers": environments.reviewers(environment),
                }
            )
        return JSONResponse(rows)

    def review(self, call: Call, repository: Body) -> Response:
        """Approve or reject those environments. Where none of them waits for the caller: 422, whoever it waits for."""
        run, me, wanted = self._find(repository, call.params["run"]), self.accounts.of(call.caller), call.json()
        state, comment, chosen = wanted.get("state"), str(wanted.get("comment") or ""), wanted.get("environment_ids")
        if state not in ("approved", "rejected") or not isinstance(chosen, list) or "comment" not in wanted:
            raise GITHUB.invalid('Invalid request. "environment_ids", "state" and "comment" are needed.')
        decided = []
        for job in self._waiting(run):
            environment = ensure(self.store, repository, job["environment"])
            if environment["id"] in chosen and self._may_review(me, run, environment):
                approval = job["approval"]["id"]
                self._pipelines.approve(run["id"], approval, me["login"], comment, rejected=state == "rejected")
                decided.append({"id": environment["id"], "environment": environment["name"], "sha": run["commit"]})
        if not decided:
            refused = GITHUB.invalid("Validation Failed")
            refused.body["errors"] = "No pending deployment requests to approve or reject"
            raise refused
        return JSONResponse(decided)

    # What is left

    def list_artifacts(self, call: Call, repository: Body) -> Response:
        run = self._find(repository, call.params["run"])
        api = self._addresses(repository)[0]
        rows = [
            {
                "id": int(run["id"]) * JOBS + place,
                "name": name,
                "size_in_bytes": sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()),
                "archive_download_url": f"{api}/actions/artifacts/{int(run['id']) * JOBS + place}/zip",
                "expired": False,
                "workflow_run": {"id": int(run["id"])},
            }
            for place, (name, folder) in enumerate(sorted(self._pipelines.artifacts(run["id"]).items()))
        ]
        return self.page(call, "artifacts", rows)

    def download(self, call: Call, repository: Body) -> Response:
        number = call.params["artifact"]
        run = self._find(repository, str(int(number) // JOBS) if number.isdecimal() else "")
        names = sorted(self._pipelines.artifacts(run["id"]))
        if int(number) % JOBS >= len(names):
            raise GITHUB.not_found()
        return self._redirect("artifact", run["id"], names[int(number) % JOBS])

    def _redirect(self, kind: str, run_id: str, name: str) -> Response:
        ends = int(time.time()) + SIGNED
        place = f"/_services/pipelines/signed/{kind}/{run_id}/{name}"
        return RedirectResponse(f"{self.sandbox.origin}{place}?se={ends}&sig={self._sign(place, str(ends))}", 302)

    def _sign(self, place: str, ends: str) -> str:
        return hmac.new(self._key, f"{place}\n{ends}".encode(), hashlib.sha256).hexdigest()

    def signed(self, call: Call) -> Response:
        ends, sig = call.query.get("se", ""), call.query.get("sig", "")
        if not hmac.compare_digest(sig.encode(), self._sign(call.path, ends).encode()) or int(ends) < time.time():
            raise OPEN.error(403, "AuthenticationFailed", "The signature is not good, or no longer.")
        run_id, name = call.params["run"], call.params["name"]
        if call.params["kind"] == "artifact":
            return Response(_zipped(self._pipelines.artifacts(run_id)[name]), media_type="application/zip")
        run = self._pipelines.record(run_id) or {"id": run_id, "stages": []}
        if call.params["kind"] == "run":
            return Response(run_archive(self._pipelines, run), media_type="application/zip")
        job = next(one for one in jobs_of(run) if one["id"] == name)
        return Response(job_log(self._pipelines, run_id, job), media_type="text/plain; charset=utf-8")


def _full(repository: Body) -> str:
    return f"{repository['owner']}/{repository['name']}"


def _zipped(folder: Path) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, file.relative_to(folder))
    return written.getvalue()
