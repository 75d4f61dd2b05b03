"""The project's repository on its CI host: made where it is missing, begun with the notebooks and the pipeline."""

from __future__ import annotations

import hashlib
import os
import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING

from mlops_tui.events import Action, Change
from mlops_tui.pipelines.contents import contents
from mlops_tui.pipelines.files import pipeline_file
from mlops_tui.pipelines.own_job import own_job
from mlops_tui.project import require
from mlops_tui.setup.waiting import stop_if_cancelled
from mlops_tui.steps import Finding

if TYPE_CHECKING:
    from mlops_tui.clouds.ci_host import CiHost, Repository
    from mlops_tui.project import Project
    from mlops_tui.session import Session
    from mlops_tui.steps import Report

KNOWN = ("repository_url", "repository_id", "branch_head")
NO_RUN = "[skip ci]"  # both hosts start no run for a commit that says so
EDITED = "edited there; kept"


class ProjectRepository:
    """A step (see `steps.Step`)."""

    name = "repository"
    title = "Repository with notebooks and pipeline"
    about = (
        "A repository keeps every version of your notebooks, and the pipeline's file beside them, in Azure DevOps or "
        "on GitHub. This step makes it if it is missing, and brings notebooks, settings and pipeline there by one "
        "commit. From then on the repository is the truth: what somebody changes there is never overwritten; only a "
        "file that is missing is added. It costs nothing. Without ci.host there is nothing to do."
    )
    link = "https://learn.microsoft.com/azure/devops/repos/git/"
    needs: tuple[str, ...] = ("sign-in",)
    settings: tuple[str, ...] = (
        "ci_host",
        "ci_organization",
        "ci_project",
        "ci_repository",
        "ci_branch",
        "ci_visibility",
        "ci_pool",
        "azure_devops_token",
        "github_token",
    )

    def wanted(self, project: Project) -> tuple[Change, ...]:
        if project.ci.host == "none":
            return ()
        files = contents(project, None, "", "")
        return (Change("create", _what(project)), *(Change("create", _file_what(path)) for path in files))

    def inspect(self, session: Session) -> Finding:
        """Raises UsageError where the settings do not say whose repository it is."""
        project = session.project
        if project.ci.host == "none":
            return Finding(())
        require(project, None, "ci_organization")
        for known in KNOWN:
            session.forget(known)
        if job := own_job(project, os.environ):
            _learn(session, job.repository_id, job.url)
            session.learn("branch_head", job.commit)
            seen = f"not looked at: this job has its commit {job.commit[:7]}"
            return Finding((Change("keep", _what(project), seen),))
        files = _contents(session)
        host = session.clients.ci_host
        repository = host.find_repository()
        if repository is None:
            made = Change("create", _what(project), project.ci.visibility)
            return Finding((made, *(Change("create", _file_what(path)) for path in files)))
        _learn(session, repository.id, repository.clone_url)
        there: Mapping[str, str] = {}
        if head := host.head(repository, project.ci.branch):
            session.learn("branch_head", head)
            there = host.files(repository, head)
        changes = [Change(*_compared(there.get(path), content, path)) for path, content in files.items()]
        return Finding((Change("keep", _what(project), repository.page), *changes))

    def apply(self, session: Session, finding: Finding, report: Report) -> None:
        from mlops_tui.clouds.git_push import Remote, push

        project = session.project
        host = session.clients.ci_host
        repository = host.find_repository() or _made(host, project, report)
        _learn(session, repository.id, repository.clone_url)
        stop_if_cancelled(session, self.title)
        pending = {change.what for change in finding.pending}
        head = host.head(repository, project.ci.branch)
        there = host.files(repository, head) if head else {}
        if head:
            session.learn("branch_head", head)
        # What has come there since the plan was made is somebody's, and stays.
        missing = {
            path: content
            for path, content in _contents(session).items()
            if _file_what(path) in pending and path not in there
        }
        if missing:
            remote = Remote(repository.clone_url, host.authorization(), session.cloud)
            commit = push(remote, project.ci.branch, missing, _message(missing, head), onto=head)
            session.learn("branch_head", commit)
            report.log(f"pushed {', '.join(missing)}")
            report.identified(f"branch {project.ci.branch}", commit, repository.page)

    def remove(self, session: Session, report: Report) -> None:
        """Only what nobody else has put anything into."""
        from mlops_tui.clouds.git_push import Remote, strangers

        project = session.project
        if project.ci.host == "none":
            return
        host = session.clients.ci_host
        repository = host.find_repository()
        if repository is None:
            report.log(f"there is no {_what(project)}")
            return
        if others := strangers(Remote(repository.clone_url, host.authorization(), session.cloud)):
            who = ", ".join(others[:3]) + (" and others" if len(others) > 3 else "")
            report.log(f"kept the {_what(project)}: it has commits of {who}; delete it there if nobody needs it")
            return
        gone = host.delete_repository(repository)
        report.log(f"deleted the {_what(project)}" if gone else f"there is no {_what(project)}")

    def by_hand(self, project: Project) -> str:
        """With the vendors' own programs; the pipeline's file by `mlops-tui init --ci`."""
        ci = project.ci
        pipeline = pipeline_file(project)
        if pipeline is None:
            return "# nothing: ci.host is none"
        branch, name = shlex.quote(ci.branch), shlex.quote(project.repository)
        owner = ci.organization or "ORGANIZATION"
        files = shlex.join(["notebooks", "mlops.toml", ".gitignore", pipeline.path])
        begin = [
            f"mlops-tui init --ci {ci.host} .",
            f"git init -b {branch} && git add {files} && git commit -m {shlex.quote(_message({}, None))}",
        ]
        if ci.host == "github":
            full = shlex.quote(f"{owner}/{project.repository}")
            return "\n".join([*begin, f"gh repo create {full} --{ci.visibility} --source . --push"])
        organization = shlex.quote(f"https://dev.azure.com/{owner}")
        within = shlex.quote(project.ci_project)
        return "\n".join(
            [
                f"az devops project create --organization {organization} --name {within} --visibility {ci.visibility}",
                f"az repos create --organization {organization} --project {within} --name {name}",
                *begin,
                f"git push {organization}/{within}/_git/{name} {branch}",
            ]
        )


def _made(host: CiHost, project: Project, report: Report) -> Repository:
    repository = host.make_repository()
    report.log(f"made the {_what(project)}")
    report.identified(_what(project), repository.id, repository.page)
    return repository


def _learn(session: Session, repository_id: str, url: str) -> None:
    session.learn("repository_url", url)
    session.learn("repository_id", repository_id)


def _contents(session: Session) -> Mapping[str, bytes]:
    tenant_id, subscription_id = session.know("tenant_id", "sign-in"), session.know("subscription_id", "sign-in")
    return contents(session.project, session.file, tenant_id, subscription_id)


def _compared(there: str | None, content: bytes, path: str) -> tuple[Action, str, str]:
    if there is None:
        return "create", _file_what(path), ""
    return "keep", _file_what(path), "" if there == _blob_id(content) else EDITED


def _blob_id(content: bytes) -> str:
    """As git names a content (gitformat-pack, "object")."""
    return hashlib.sha1(b"blob %d\0%s" % (len(content), content), usedforsecurity=False).hexdigest()


def _message(missing: Mapping[str, bytes], head: str | None) -> str:
    if head is None:
        return f"Begin with notebooks, settings and pipeline {NO_RUN}"
    return f"Add what is missing: {', '.join(missing)} {NO_RUN}"


def _what(project: Project) -> str:
    if project.ci.host == "github":
        return f"repository {project.ci.organization}/{project.repository} on GitHub"
    return f"repository {project.ci_project}/{project.repository} in Azure DevOps"


def _file_what(path: str) -> str:
    return f"file {path}"
