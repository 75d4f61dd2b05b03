"""The project's notebooks, imported into the workspace."""

from __future__ import annotations

import shlex
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from mlops_tui.errors import ConflictError, UsageError
from mlops_tui.events import Action, Change
from mlops_tui.project_file import notebook_source
from mlops_tui.setup.waiting import stop_if_cancelled
from mlops_tui.steps import Finding, NotYetKnown

if TYPE_CHECKING:
    from mlops_tui.clouds.databricks_notebooks import Notebooks as Folder
    from mlops_tui.project import Project
    from mlops_tui.session import Session
    from mlops_tui.steps import Report

HEADER = "# Databricks notebook source"
AT_ONCE = 8  # exports side by side


class Notebooks:
    """A step (see `steps.Step`)."""

    name = "notebooks"
    title = "Notebooks in the workspace"
    about = (
        "A notebook is a program that Databricks runs cell by cell. Those of this project are Python files on your "
        "machine; this step copies them into a folder of the workspace, where the training job finds them. It "
        "costs nothing. If somebody has edited one in the workspace, the plan warns you before it is replaced. "
        "Other notebooks in the folder are left alone."
    )
    link = "https://learn.microsoft.com/en-us/azure/databricks/notebooks/"
    needs: tuple[str, ...] = ("databricks-workspace",)
    settings: tuple[str, ...] = ("notebooks", "notebook_folder")

    def wanted(self, project: Project) -> tuple[Change, ...]:
        sources = _sources(project)
        folder = Change("create", _folder_what(project))
        return (folder, *(Change("create", _what(path)) for path in sources))

    def inspect(self, session: Session) -> Finding:
        project = session.project
        sources = _sources(project)
        folder = _folder(session)
        there = folder.list(project.notebook_folder)
        if there is None:
            return Finding(self.wanted(project))

        def compare(path: str) -> Action:
            if path not in there:
                return "create"
            if there[path] != "PYTHON":
                raise ConflictError(
                    f"{path} in the workspace is there already, but is no Python notebook ({there[path].lower()}).",
                    hint="Move or remove it, or choose another databricks.notebook_folder.",
                )
            return "keep" if _same(folder.export(path), sources[path]) else "update"

        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="notebook") as pool:
            actions = list(pool.map(compare, sources))
        changes = [Change("keep", _folder_what(project))]
        for path, action in zip(sources, actions, strict=True):
            changes.append(Change(action, _what(path), "differs from the file here" if action == "update" else ""))
        return Finding(tuple(changes))

    def apply(self, session: Session, finding: Finding, report: Report) -> None:
        project = session.project
        folder = _folder(session)
        pending = {change.what for change in finding.pending}
        if _folder_what(project) in pending:
            folder.make_folder(project.notebook_folder)
            report.log(f"made the folder {project.notebook_folder}")
        for path, source in _sources(project).items():
            if _what(path) not in pending:
                continue
            stop_if_cancelled(session, self.title)
            folder.put(path, source)
            report.log(f"imported {path}")
            report.identified(_what(path), path, f"{_host(session)}/#workspace{path}")

    def remove(self, session: Session, report: Report) -> None:
        project = session.project
        try:
            folder = _folder(session)
        except NotYetKnown:
            report.log("there is no workspace, so no notebooks either")
            return
        for path in _sources(project):
            report.log(f"{'deleted' if folder.delete(path) else 'there is no'} notebook {path}")
        if folder.delete_folder_if_empty(project.notebook_folder):
            report.log(f"deleted the folder {project.notebook_folder}")
        else:
            report.log(f"kept the folder {project.notebook_folder}: it is not there, or holds other things")

    def by_hand(self, project: Project) -> str:
        lines = [f"databricks workspace mkdirs {shlex.quote(project.notebook_folder)}"]
        for path in _sources(project):
            file = shlex.quote(f"{project.notebooks or 'notebooks'}/{path.rsplit('/', 1)[1]}.py")
            lines.append(
                f"databricks workspace import {shlex.quote(path)} --file {file} "
                "--format SOURCE --language PYTHON --overwrite"
            )
        return "\n".join(lines)


def _sources(project: Project) -> dict[str, str]:
    """Path in the workspace -> source, for each notebook of the project. Raises UsageError where there is none, or one
    that cannot be read."""
    files = sorted(notebook_source(project.notebooks).glob("*.py"))
    return {f"{project.notebook_folder}/{file.stem}": _source(file) for file in files}


def _source(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UsageError(
            f"The notebook {file} cannot be read: {reason}.", hint="Mend it, or take it out of that folder."
        ) from error


def _host(session: Session) -> str:
    return session.know("databricks_host", "databricks-workspace")


def _folder(session: Session) -> Folder:
    return session.clients.databricks(_host(session)).notebooks


def _folder_what(project: Project) -> str:
    return f"workspace folder {project.notebook_folder}"


def _what(path: str) -> str:
    return f"notebook {path}"


def _same(there: str | None, here: str) -> bool:
    return there is not None and essence(there) == essence(here)


def essence(source: str) -> str:
    """Without what the platform adds or takes on the way: the header line, line ends, space at the end."""
    lines = [line.rstrip() for line in source.lstrip("\ufeff").splitlines()]
    if lines and lines[0] == HEADER:
        lines = lines[1:]
    return "\n".join(lines).strip("\n")
