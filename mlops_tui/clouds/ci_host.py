"""What is asked of a CI host, whichever it is: Azure DevOps or GitHub. How pipelines are set up there differs too much
to be one thing; that is in the hosts' own modules.

Every call may raise SignInError, ForbiddenError, ThrottledError or UnreachableError.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from mlops_tui.events import PipelineApproval, PipelinePart, PipelineRun


@dataclass(frozen=True)
class Account:
    """Whom the host takes us for."""

    id: str
    name: str  # a login or an e-mail address
    display: str = ""


@dataclass(frozen=True)
class Repository:
    id: str
    name: str
    clone_url: str  # https, without any credential
    page: str


@dataclass(frozen=True)
class RunOrder:
    """What a run is asked to do."""

    branch: str
    build_number: str = ""  # the build to release, or to name the new one; empty: the host's own number
    stage: str = "all"  # how far: "all" trains and goes on, "staging" and "production" release a build that is there


class CiHost(Protocol):
    """The project's one repository and one pipeline on its host. Safe from any thread."""

    title: str  # "Azure DevOps"

    def account(self) -> Account:
        """Raises SignInError where the token is not good."""
        ...

    # The repository

    def find_repository(self) -> Repository | None: ...

    def make_repository(self) -> Repository:
        """With all that it needs around it (a project in Azure DevOps); safe to repeat."""
        ...

    def delete_repository(self, repository: Repository) -> bool:
        """False where it was gone already."""
        ...

    def head(self, repository: Repository, branch: str) -> str | None:
        """The commit that the branch is at; None where there is no such branch."""
        ...

    def files(self, repository: Repository, commit: str) -> Mapping[str, str]:
        """Path -> git's id of the content, of every file of that commit."""
        ...

    def read(self, repository: Repository, commit: str, path: str) -> bytes:
        """Raises NotFoundError."""
        ...

    def authorization(self) -> str:
        """The value of the header by which git signs in over https; registered as a secret."""
        ...

    # Runs of the pipeline

    def page(self) -> str:
        """Where the pipeline is, in a browser."""
        ...

    def runs(self, limit: int) -> tuple[PipelineRun, ...]:
        """Newest first. Raises NotFoundError where there is no pipeline yet."""
        ...

    def queue(self, order: RunOrder) -> PipelineRun:
        """Start one. Raises NotFoundError where there is no pipeline yet."""
        ...

    def run(self, run_id: str) -> PipelineRun:
        """Raises NotFoundError."""
        ...

    def parts(self, run_id: str) -> tuple[PipelinePart, ...]:
        """Stages, jobs and steps in the order of the pipeline, each behind the part that it belongs to."""
        ...

    def log(self, run_id: str, part_id: str, after: int) -> tuple[str, ...]:
        """The lines of a part's log behind the first `after` ones; none where there is no log yet."""
        ...

    def approvals(self, run_id: str) -> tuple[PipelineApproval, ...]:
        """What waits for somebody's yes."""
        ...

    def approve(self, approval: PipelineApproval, comment: str) -> None:
        """Raises ForbiddenError where it is somebody else's to say."""
        ...

    def cancel(self, run_id: str) -> None:
        """Safe to repeat."""
        ...
