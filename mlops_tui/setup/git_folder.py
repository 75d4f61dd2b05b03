"""A folder of the workspace that follows the repository, and the credential by which Databricks reads that."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from mlops_tui.clouds.ci_host import Repository
from mlops_tui.errors import ConflictError, NotFoundError
from mlops_tui.events import Change
from mlops_tui.pipelines.own_job import own_job
from mlops_tui.project_file import notebook_source
from mlops_tui.setup import git_credential, git_edits
from mlops_tui.setup.job_notebooks import BY_HAND, IN_REPOSITORY, PROVIDERS
from mlops_tui.setup.waiting import stop_if_cancelled
from mlops_tui.steps import Finding, NotYetKnown

if TYPE_CHECKING:
    from mlops_tui.clouds.databricks import Databricks
    from mlops_tui.clouds.databricks_git import GitFolder as Folder
    from mlops_tui.project import Project
    from mlops_tui.session import Session
    from mlops_tui.setup.git_edits import Files
    from mlops_tui.steps import Report

KNOWN = "git_folder_commit"  # what the session knows the folder's commit by, where its notebooks are just that
BEHIND = "git_folder_behind"  # and that it is, in words, where a pull is due
SHORT = 7  # signs of a commit that people read


@dataclass(frozen=True)
class Beside:
    """The folder beside the repository."""

    folder: Folder
    head: str  # of the branch
    edited: tuple[str, ...]  # paths of notebooks that differ from the commit that the folder is at
    unknown: bool = False  # the repository does not have that commit
    in_the_way: tuple[str, ...] = ()  # those that were edited here and there

    def is_in_step(self, branch: str) -> bool:
        return (self.folder.branch, self.folder.commit) == (branch, self.head)


class GitFolder:
    """A step (see `steps.Step`)."""

    name = "git-folder"
    title = "Git folder in the workspace"
    about = (
        "A Git folder shows your repository inside Databricks: people open its notebooks there, edit them, and commit "
        "what they have changed. Databricks signs in to the host of Git with a token of yours, which this step "
        "stores. It costs nothing. Whenever the repository has moved on, the plan offers to pull; notebooks that were "
        "edited in the folder and not committed are named, and never overwritten."
    )
    link = "https://learn.microsoft.com/en-us/azure/databricks/repos/"
    needs: tuple[str, ...] = ("databricks-workspace", "repository")
    settings: tuple[str, ...] = ("git_folder",)

    def wanted(self, project: Project) -> tuple[Change, ...]:
        if project.ci.host == "none":
            return ()
        return (Change("create", git_credential.what(project)), Change("create", _what(project)))

    def inspect(self, session: Session) -> Finding:
        project = session.project
        if project.ci.host == "none":
            return Finding(())
        for known in (KNOWN, BEHIND):
            session.forget(known)
        databricks = _databricks(session)
        folder = databricks.git.folder(project.git_folder)
        if folder is not None and folder.provider.lower() != PROVIDERS[project.ci.host].lower():
            raise _in_the_way(folder)  # before a repository is made on the other host
        repository, head = _repository(session), session.know("branch_head", "repository")
        if own_job(project, os.environ):
            return _seen_by_a_job(session, folder, head)
        there = git_credential.find(databricks.git, project)
        if folder is None and there is None:
            git_credential.require_token(project)
        credential = git_credential.compare(there, project)
        at_head = git_edits.files(session.clients.ci_host, repository, head) or {}
        lacking = _lacking(project, at_head)
        if folder is None:
            made = Change("create", _what(project), f"of {repository.clone_url}", warning=lacking)
            return Finding((credential, made))
        change = _change(project, _compare(session, databricks, repository, folder, head, at_head), lacking)
        if change.action == "update":
            session.learn(BEHIND, change.detail)
        return Finding((credential, change))

    def apply(self, session: Session, finding: Finding, report: Report) -> None:
        project = session.project
        git = _databricks(session).git
        pending = {change.what for change in finding.pending}
        if git_credential.what(project) in pending:
            git_credential.bring_in_line(session, git, report)
        stop_if_cancelled(session, self.title)
        if _what(project) not in pending:
            return
        credential, folder = git_credential.find(git, project), git.folder(project.git_folder)
        if credential is None:
            git_credential.require_token(project)
        if folder is None:
            url = _repository(session).clone_url
            git.add_folder(project.git_folder, url, PROVIDERS[project.ci.host], credential)
            report.log(f"made the Git folder {project.git_folder} of {url}")
            folder = git.folder(project.git_folder)
        if folder is not None:
            self._pull(session, folder, report)

    def _pull(self, session: Session, folder: Folder, report: Report) -> None:
        project, git = session.project, _databricks(session).git
        head = session.know("branch_head", "repository")
        if (folder.branch, folder.commit) != (project.ci.branch, head):
            git.pull(folder, project.ci.branch, git_credential.find(git, project))
            report.log(f"pulled {project.ci.branch}: {head[:SHORT]}")
        host = session.know("databricks_host", "databricks-workspace")
        report.identified(_what(project), str(folder.id), f"{host}/#workspace{folder.path}")

    def remove(self, session: Session, report: Report) -> None:
        project = session.project
        if project.ci.host == "none":
            return
        try:
            databricks = _databricks(session)
        except NotYetKnown:
            report.log("there is no workspace, so no Git folder either")
            return
        folder = databricks.git.folder(project.git_folder)
        if folder is None:
            report.log(f"there is no Git folder {project.git_folder}")
        elif edits := _edits(session, databricks, folder):
            report.log(f"kept the Git folder {folder.path}: {edits}", "warning")
        elif databricks.git.delete_folder(folder):
            report.log(f"deleted the Git folder {folder.path}")
        git_credential.remove(databricks.git, project, report)

    def by_hand(self, project: Project) -> str:
        if project.ci.host == "none":
            return "# nothing: there is no repository (ci.host)"
        provider, path = PROVIDERS[project.ci.host], shlex.quote(project.git_folder)
        variable = {"azure-devops": "AZURE_DEVOPS_EXT_PAT", "github": "GH_TOKEN"}[project.ci.host]
        credential = f'{{git_provider: "{provider}", git_username: "YOU", personal_access_token: env.{variable}}}'
        return "\n".join(
            (
                f"databricks git-credentials create --json @<(jq -n {shlex.quote(credential)})",
                f"databricks repos create {BY_HAND} {provider} --path {path}",
                f"databricks repos update {path} --branch {shlex.quote(project.ci.branch)}",
            )
        )


def _compare(
    session: Session, databricks: Databricks, repository: Repository, folder: Folder, head: str, at_head: Files
) -> Beside:
    """Raises ConflictError where the folder follows another repository."""
    if _same_place(folder.url) != _same_place(repository.clone_url):
        raise _in_the_way(folder)
    host = session.clients.ci_host
    at_commit = at_head if folder.commit == head else git_edits.files(host, repository, folder.commit)
    if at_commit is None:
        return Beside(folder, head, (), unknown=True)
    edited = git_edits.edited(databricks.notebooks, folder, host, repository, at_commit)
    if not edited:
        session.learn(KNOWN, folder.commit)
    both = tuple(path for path in edited if at_commit.get(path) != at_head.get(path))
    return Beside(folder, head, edited, in_the_way=both)


def _seen_by_a_job(session: Session, folder: Folder | None, commit: str) -> Finding:
    """Of the pipeline, which may not ask the host: `commit` is its own. What was edited there it cannot know.

    Raises NotFoundError where jobs are to take their notebooks from a folder that is not there.
    """
    project = session.project
    credential = Change("keep", git_credential.what(project), "not looked at: this job has no token of the host")
    if folder is None:
        if project.notebook_source == "git-folder":
            hint = "`mlops-tui setup`, run by somebody with a token of the host, makes it."
            raise NotFoundError(f"There is no Git folder {project.git_folder} in the workspace.", hint=hint)
        return Finding((credential,))
    at, detail = folder.commit[:SHORT] or "nothing", f"in step at {commit[:SHORT]}"
    if folder.commit != commit:
        detail = f"at {at}, this job has the commit {commit[:SHORT]}"
        session.learn(BEHIND, detail)
    return Finding((credential, Change("keep", _what(project), detail)))


def _in_the_way(folder: Folder) -> ConflictError:
    return ConflictError(
        f"The Git folder {folder.path} is there already, of another repository: {folder.url}.",
        hint="Move or remove it in the workspace, or choose another databricks.git_folder.",
    )


def _change(project: Project, beside: Beside, lacking: str) -> Change:
    """Raises ConflictError where a pull would meet edits that are not committed."""
    at, head = beside.folder.commit[:SHORT] or "nothing", beside.head[:SHORT]
    warning = "; ".join(text for text in (_changed_here(beside.edited), lacking) if text)
    if beside.is_in_step(project.ci.branch):
        return Change("keep", _what(project), f"in step at {head}", warning=warning)
    if beside.in_the_way:
        raise ConflictError(
            f"The Git folder {beside.folder.path} is behind, and {_changed_here(beside.in_the_way)}: a pull would "
            "overwrite that.",
            hint="Open the folder in the workspace, choose Git, and commit and push what is to stay, or discard it; "
            "then run the same command again.",
            link="https://learn.microsoft.com/en-us/azure/databricks/repos/git-operations-with-repos",
        )
    detail = f"behind: at {at}, the branch {project.ci.branch} is at {head}; pull"
    if beside.folder.branch != project.ci.branch:
        detail = f"on {beside.folder.branch or 'a tag'}, not on {project.ci.branch}: check that out, at {head}"
    elif beside.unknown:
        detail = f"at {at}, which the repository does not have any more; pull {head}"
    return Change("update", _what(project), detail, warning=warning)


def _changed_here(paths: tuple[str, ...]) -> str:
    names = ", ".join(path.rpartition("/")[2] for path in paths)
    return f"changed here and not committed: {names}" if names else ""


def _lacking(project: Project, at_head: Files) -> str:
    wanted = sorted(file.name for file in notebook_source(project.notebooks).glob("*.py"))
    names = ", ".join(name for name in wanted if f"{IN_REPOSITORY}/{name}" not in at_head)
    return f"not in the repository: {names}" if names else ""


def _edits(session: Session, databricks: Databricks, folder: Folder) -> str:
    """Why a folder is not to be deleted; empty where nothing would be lost."""
    try:
        repository = _repository(session)
    except NotYetKnown:
        return "its repository is not there, so nobody can tell what in it was never committed"
    if _same_place(folder.url) != _same_place(repository.clone_url):
        return f"it is of another repository, {folder.url}"
    at_commit = git_edits.files(session.clients.ci_host, repository, folder.commit) or {}
    return _changed_here(git_edits.edited(databricks.notebooks, folder, session.clients.ci_host, repository, at_commit))


def _same_place(url: str) -> str:
    """One spelling for all by which a host hands out a repository's URL."""
    parts = urlsplit(url)
    return unquote(parts.netloc.rpartition("@")[2] + parts.path.rstrip("/").removesuffix(".git")).lower()


def _repository(session: Session) -> Repository:
    return Repository(
        session.know("repository_id", "repository"),
        session.project.repository,
        session.know("repository_url", "repository"),
        "",
    )


def _databricks(session: Session) -> Databricks:
    return session.clients.databricks(session.know("databricks_host", "databricks-workspace"))


def _what(project: Project) -> str:
    return f"Git folder {project.git_folder}"
