"""A build ties together data, runs, model and deployments: a number and who builds."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from mlops_tui.errors import UsageError

if TYPE_CHECKING:
    from mlops_tui.project import Project
    from mlops_tui.session import Session

RECENT = 24  # job runs among which one is looked for that has trained the same
LOCAL = "local"
TRAINING = "train"  # the notebook that trains
# What the session knows of the commit, where the repository's notebooks are run.
COMMITS = {"git": "branch_head", "git-folder": "git_folder_commit"}
_RUNS = re.compile(r"^# MAGIC %run \./(\S+)", re.MULTILINE)  # another notebook that one begins with


@dataclass(frozen=True)
class Build:
    """Every run and model version carries these as the tags build_number and build_source."""

    number: str
    source: str
    fresh: bool = False  # nobody has named it: a build that has done the same serves as well


def build_of(environment: Mapping[str, str], number: str = "", source: str = "") -> Build:
    """What was given, else the CI host's build (Azure DevOps, GitHub), else a new local one.

    A re-run attempt on GitHub is a build of its own: its runs must not mix with those of the attempt before.
    """
    if number:
        return Build(number, source or "manual")
    if environment.get("BUILD_BUILDNUMBER"):
        return Build(environment["BUILD_BUILDNUMBER"], source or "AzureDevOps")
    if environment.get("GITHUB_RUN_NUMBER"):
        attempt = environment.get("GITHUB_RUN_ATTEMPT", "1")
        suffix = "" if attempt == "1" else f".{attempt}"
        return Build(environment["GITHUB_RUN_NUMBER"] + suffix, source or "GitHub")
    return Build(f"local-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}", source or LOCAL, fresh=not source)


@dataclass(frozen=True)
class Trained:
    """A build that has trained the same, or is at it."""

    build: Build
    run_id: int  # of the job run
    ended: bool


def find_same(session: Session, wanted: Mapping[str, str]) -> Trained | None:
    """The newest local build whose job run was given the `wanted` parameters, unless that ended badly.

    They hold the runs, the experiment, the data and the notebooks' digest: whoever changes one of these trains anew.
    """
    if not wanted.get("notebooks"):
        return None
    job_id = int(session.know("train_job_id", "train-job"))
    databricks = session.clients.databricks(session.know("databricks_host", "databricks-workspace"))
    for run in databricks.runs.of_job(job_id, RECENT):
        given = dict(run.parameters)
        same = all(given.get(name) == value for name, value in wanted.items())
        if same and given.get("build_source") == LOCAL and run.status not in ("failed", "canceled"):
            return Trained(Build(given.get("build_number", ""), LOCAL), run.run_id, run.ended)
    return None


def notebooks_version(session: Session) -> str:
    """By which notebooks are known to be the same: a digest of those here, or the commit that jobs take them from.

    Empty where that is not known: then nothing counts as the same.
    """
    known = COMMITS.get(session.project.notebook_source)
    if known is None:
        return notebooks_digest(session.project)
    return session.know(known, "git-folder") if session.knows(known) else ""


def notebooks_digest(project: Project) -> str:
    """Of the notebook that trains and those it begins with; empty where they are not on this machine."""
    from mlops_tui.project_file import notebook_source

    try:
        texts = list(_sources(notebook_source(project.notebooks), TRAINING, set()))
    except (UsageError, OSError, UnicodeDecodeError):
        return ""  # somebody else has imported them: they can be trained with, but not compared
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]


def _sources(folder: Path, name: str, seen: set[str]) -> Iterator[str]:
    if name in seen:
        return
    seen.add(name)
    text = (folder / f"{name}.py").read_text("utf-8")
    yield "\n".join(line.rstrip() for line in text.splitlines())
    for other in _RUNS.findall(text):
        yield from _sources(folder, other, seen)
