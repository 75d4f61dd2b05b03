"""GitHub as a CI host: the project's repository there, and the runs of its workflow.

GitHub REST API: "Repositories", "Git database", "Repository contents", "Workflows", "Workflow runs", "Workflow jobs".
"""

from __future__ import annotations

import base64
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import quote

from mlops_tui import redaction
from mlops_tui.clouds import github_log
from mlops_tui.clouds.ci_host import Account, Repository, RunOrder
from mlops_tui.clouds.github_errors import TOKEN_HINT, TOKEN_LINK, speaking_of
from mlops_tui.clouds.github_rest import RAW, GitHubRest
from mlops_tui.clouds.github_runs import approval_of, detail_of, parts_of, run_of, state_of
from mlops_tui.clouds.github_settings import GitHubSettings
from mlops_tui.clouds.rest import Entity
from mlops_tui.errors import CloudError, ConflictError, ForbiddenError, NotFoundError, SignInError, UsageError

if TYPE_CHECKING:
    from mlops_tui.clouds.cloud import Cloud
    from mlops_tui.clouds.identity import Identity
    from mlops_tui.events import PipelineApproval, PipelinePart, PipelineRun
    from mlops_tui.project import Project

WORKFLOW = "mlops.yml"
LOGS_KEPT = 8  # of ended jobs, which change no more
APPEAR_SECONDS = 20.0  # in which a run that was started shows up
APPEAR_PAUSE = 1.0
NOTHING_PENDING = "No pending deployment requests"


class GitHub:
    """See `ci_host.CiHost`."""

    title = "GitHub"

    def __init__(self, project: Project, cloud: Cloud, identity: Identity) -> None:
        """Raises SignInError where no token is given: GitHub knows nothing of the sign-in to Azure."""
        token = project.ci.github_token
        if not token:
            raise SignInError("There is no token for GitHub.", hint=TOKEN_HINT, link=TOKEN_LINK)
        redaction.register(token)
        self._token = token
        self._cloud = cloud
        self._private = project.ci.visibility == "private"
        self._branch = project.ci.branch
        self._owner, self._name = project.ci.organization, project.repository
        self.full = f"{self._owner}/{self._name}"
        self._root = f"repos/{self.full}"
        self._rest = GitHubRest(identity, cloud, token)
        self.settings = GitHubSettings(self._rest, self._owner, self._name)
        self._lock = threading.Lock()
        self._details: dict[str, str] = {}  # of failed jobs
        self._logs: OrderedDict[str, tuple[list[Entity], list[str]]] = OrderedDict()  # steps and lines by job

    def close(self) -> None:
        self._rest.close()

    def account(self) -> Account:
        with speaking_of("the GitHub account"):
            me = self._rest.call("GET", "user")
            return Account(str(me["id"]), me["login"], me.get("name") or "")

    # The repository

    def find_repository(self) -> Repository | None:
        """Raises UsageError where there is no such owner: then no repository can be made either."""
        try:
            with speaking_of(f"the repository {self.full}"):
                return _repository(self._rest.call("GET", self._root))
        except NotFoundError:
            self._require_owner()
            return None

    def _require_owner(self) -> None:
        """An organisation has a page as people have (REST API, "Get a user")."""
        try:
            with speaking_of(f"the owner {self._owner}"):
                self._rest.call("GET", f"users/{quote(self._owner, safe='')}")
        except NotFoundError as error:
            hint = "Set ci.organization to yours: the OWNER in https://github.com/OWNER."
            raise UsageError(f"GitHub knows no owner {self._owner}.", hint=hint) from error

    def _visible(self) -> Repository | None:
        try:
            return self.find_repository()
        except ForbiddenError:
            return None

    def is_private(self) -> bool:
        """Raises NotFoundError where there is no repository."""
        with speaking_of(f"the repository {self.full}"):
            return bool(self._rest.call("GET", self._root)["private"])

    def make_repository(self) -> Repository:
        body: Entity = {"name": self._name, "private": self._private, "auto_init": False}
        own = self.account().name.lower() == self._owner.lower()
        try:
            with speaking_of(f"the repository {self.full}"):
                path = "user/repos" if own else f"orgs/{quote(self._owner, safe='')}/repos"
                return _repository(self._rest.call("POST", path, body))
        except ConflictError as error:
            if found := self._visible():
                return found
            hint = "The name is taken by a repository that this token may not see. Choose another (ci.repository)."
            raise ConflictError(error.message, hint=hint, raw=error.raw) from error
        except NotFoundError as error:
            hint = f"Check ci.organization: {self._owner} must be you, or an organisation in which you may make some. "
            raise NotFoundError(
                f"Not found: the owner {self._owner}.", hint=hint + TOKEN_HINT, raw=error.raw
            ) from error

    def delete_repository(self, repository: Repository) -> bool:
        try:
            with speaking_of(f"the repository {repository.name}"):
                self._rest.call("DELETE", self._root)
        except NotFoundError:
            return False
        return True

    def head(self, repository: Repository, branch: str) -> str | None:
        try:
            with speaking_of(f"the branch {branch} of {self.full}"):
                return str(self._rest.call("GET", f"{self._root}/git/ref/heads/{quote(branch)}")["object"]["sha"])
        except NotFoundError:
            return None
        except ConflictError as error:
            if "empty" in error.raw:
                return None
            raise

    def files(self, repository: Repository, commit: str) -> Mapping[str, str]:
        """Raises CloudError for a tree that is too large to be told at once (100,000 files)."""
        with speaking_of(f"the files of {self.full}"):
            tree = self._rest.call("GET", f"{self._root}/git/trees/{commit}", recursive="1")
            if tree.get("truncated"):
                raise CloudError(f"The repository {self.full} has too many files to compare.")
            return {one["path"]: one["sha"] for one in tree["tree"] if one["type"] == "blob"}

    def read(self, repository: Repository, commit: str, path: str) -> bytes:
        with speaking_of(f"the file {path} of {self.full}"):
            return self._rest.content(f"{self._root}/contents/{quote(path)}", RAW, ref=commit)

    def authorization(self) -> str:
        """GitHub, "Authenticating to GitHub": any name, and the token as its password."""
        encoded = base64.b64encode(f"x-access-token:{self._token}".encode()).decode()
        redaction.register(encoded)
        return f"Basic {encoded}"

    # Runs of the workflow

    def page(self) -> str:
        return f"{self._cloud.github}/{self.full}/actions/workflows/{WORKFLOW}"

    def runs(self, limit: int) -> tuple[PipelineRun, ...]:
        with speaking_of(f"the workflow {WORKFLOW} of {self.full}"):
            listed = self._rest.call("GET", f"{self._root}/actions/workflows/{WORKFLOW}/runs", per_page=str(limit))
            return tuple(run_of(one) for one in listed["workflow_runs"][:limit])

    def queue(self, order: RunOrder) -> PipelineRun:
        inputs = {"stage": order.stage} | ({"build_number": order.build_number} if order.build_number else {})
        body: Entity = {"ref": order.branch, "inputs": inputs, "return_run_details": True}
        asked = time.time()
        with speaking_of(f"the workflow {WORKFLOW} of {self.full}"):
            told = self._rest.call("POST", f"{self._root}/actions/workflows/{WORKFLOW}/dispatches", body)
        return self._appeared(str(told["workflow_run_id"]) if told else "", order, asked)

    def _appeared(self, run_id: str, order: RunOrder, asked: float) -> PipelineRun:
        """The run that was started, once it shows; without an id the newest that somebody started there since.

        Raises NotFoundError where none shows: it may come yet.
        """
        deadline = time.monotonic() + APPEAR_SECONDS
        while True:
            try:
                if run_id:
                    return self.run(run_id)
                for run in self.runs(10):
                    recent = run.queued is not None and run.queued >= int(asked) - 1
                    if recent and run.reason == "manual" and run.branch == order.branch:
                        return run
            except NotFoundError:
                if time.monotonic() > deadline:
                    raise
            if time.monotonic() > deadline:
                raise NotFoundError(
                    f"Not found: the run of {WORKFLOW} that was started.", hint=f"Look at {self.page()}."
                )
            time.sleep(APPEAR_PAUSE)

    def run(self, run_id: str) -> PipelineRun:
        with speaking_of(f"the run {run_id} of {self.full}"):
            return run_of(self._rest.call("GET", f"{self._root}/actions/runs/{run_id}"))

    def parts(self, run_id: str) -> tuple[PipelinePart, ...]:
        return tuple(part for job in self._jobs(run_id) for part in parts_of(job, self._detail(job)))

    def _detail(self, job: Entity) -> str:
        """What a failed job says went wrong: its annotations, which change no more. None where the token may not."""
        if state_of(job) != "failed":
            return ""
        number = str(job["id"])
        if number not in self._details:
            try:
                with speaking_of(f"the annotations of job {number}"):
                    annotations = list(self._rest.pages(f"{self._root}/check-runs/{number}/annotations"))
            except (ForbiddenError, NotFoundError):
                annotations = []
            self._details[number] = detail_of(annotations)
        return self._details[number]

    def _jobs(self, run_id: str) -> list[Entity]:
        with speaking_of(f"the jobs of run {run_id}"):
            return list(self._rest.pages(f"{self._root}/actions/runs/{run_id}/jobs", "jobs"))

    def log(self, run_id: str, part_id: str, after: int) -> tuple[str, ...]:
        """GitHub gives a job's log when the job has ended, and all steps of it at once."""
        job_id, _, number = part_id.partition("/")
        steps, lines = self._job_log(job_id)
        chosen = github_log.of_step(lines, steps, int(number)) if number else lines
        return github_log.without_moments(chosen[after:])

    def _job_log(self, job_id: str) -> tuple[list[Entity], list[str]]:
        with self._lock:
            if job_id in self._logs:
                self._logs.move_to_end(job_id)
                return self._logs[job_id]
        with speaking_of(f"the log of job {job_id}"):
            job = self._rest.call("GET", f"{self._root}/actions/jobs/{job_id}")
            if job["status"] != "completed":
                return [], []
            try:
                with speaking_of(f"the log of job {job_id}"):
                    text = self._rest.content(f"{self._root}/actions/jobs/{job_id}/logs").decode("utf-8", "replace")
            except NotFoundError:  # it comes a moment after the end, and none comes of a job that never began
                return [], []
        got = (list(job.get("steps") or ()), github_log.lines_of(text))
        with self._lock:
            self._logs[job_id] = got
            while len(self._logs) > LOGS_KEPT:
                self._logs.popitem(last=False)
        return got

    def approvals(self, run_id: str) -> tuple[PipelineApproval, ...]:
        with speaking_of(f"the approvals of run {run_id}"):
            pending = list(self._rest.pages(f"{self._root}/actions/runs/{run_id}/pending_deployments"))
        if not pending:
            return ()
        waiting = [str(job["name"]) for job in self._jobs(run_id) if state_of(job) == "waiting"]
        only = waiting[0] if len(waiting) == len(pending) == 1 else ""
        return tuple(approval_of(run_id, one, only or str(one["environment"]["name"])) for one in pending)

    def approve(self, approval: PipelineApproval, comment: str) -> None:
        """Raises ConflictError where it has been decided meanwhile. GitHub says the same to who may not decide it."""
        body: Entity = {"environment_ids": [int(approval.id)], "state": "approved", "comment": comment}
        try:
            with speaking_of(f"the approval of {approval.environment}"):
                self._rest.send("POST", f"{self._root}/actions/runs/{approval.run}/pending_deployments", body)
        except CloudError as error:
            if NOTHING_PENDING not in error.raw:
                raise
            still = [one for one in self.approvals(approval.run) if one.id == approval.id]
            if not still:
                message = f"{approval.environment} waits for no approval any more: somebody has decided it."
                raise ConflictError(message, hint="Look at the run again.", raw=error.raw) from error
            who = ", ".join(still[0].approvers) or "somebody else"
            raise ForbiddenError(
                f"Not allowed: the approval of {approval.environment}. It waits for {who}.",
                hint=f"Ask one of them, or an administrator to add you: {self._cloud.github}/{self.full}/settings",
                raw=error.raw,
            ) from error

    def cancel(self, run_id: str) -> None:
        try:
            with speaking_of(f"the run {run_id} of {self.full}"):
                self._rest.call("POST", f"{self._root}/actions/runs/{run_id}/cancel")
        except ConflictError:  # it has ended
            return


def _repository(shown: Entity) -> Repository:
    return Repository(str(shown["id"]), shown["name"], shown["clone_url"], shown["html_url"])
