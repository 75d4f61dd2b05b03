"""From flags, environment and mlops.toml to a session. Starts the practice cloud on demand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mlops_tui.clouds.cloud import PUBLIC_CLOUDS, Cloud, local_cloud
from mlops_tui.errors import UsageError
from mlops_tui.project import Project, load
from mlops_tui.session import Session
from mlops_tui.settings import Resolved


@dataclass(frozen=True)
class Practice:
    """A running practice cloud: where it is, and the settings it gives."""

    origin: str
    ca_bundle: str
    settings: Mapping[str, str]  # tenant_id, client_id, client_secret, subscription_id


StartPractice = Callable[[], Practice]


@dataclass(frozen=True)
class Options:
    """What the caller gave: the project file, if any, the environment and the flags (by setting's name)."""

    file: Path | None
    environment: Mapping[str, str]
    flags: Mapping[str, str]


def open_project(options: Options, start_practice: StartPractice) -> tuple[Project, Resolved, Cloud]:
    """The checked project and its cloud.

    Raises UsageError with every problem at once, before anything is started or called.
    """
    project, resolved = load(options.file, options.environment, options.flags, None)
    if project.cloud in PUBLIC_CLOUDS:
        return project, resolved, PUBLIC_CLOUDS[project.cloud]
    if project.cloud != "sandbox":
        known = ", ".join(["sandbox", *PUBLIC_CLOUDS])
        raise UsageError(f"There is no cloud named {project.cloud!r}.", hint=f"Choose one of: {known}.")
    practice = start_practice()
    given = {**practice.settings, "origin": practice.origin}
    project, resolved = load(options.file, options.environment, options.flags, given)
    return project, resolved, local_cloud(practice.origin, practice.ca_bundle)


def open_session(options: Options, start_practice: StartPractice) -> Session:
    """As open_project, with nothing called yet but the practice cloud started."""
    project, _, cloud = open_project(options, start_practice)
    return Session(project, cloud)
