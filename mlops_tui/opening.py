"""From flags, environment and mlops.toml to a session. Starts the practice cloud on demand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mlops_tui.clouds.cloud import PUBLIC_CLOUDS, Cloud, local_cloud
from mlops_tui.errors import UsageError
from mlops_tui.project import Project, load, require
from mlops_tui.project_file import find
from mlops_tui.session import Session
from mlops_tui.settings import Resolved


@dataclass(frozen=True)
class Practice:
    """A running practice cloud: where it is, and the settings it gives."""

    origin: str
    ca_bundle: str
    settings: Mapping[str, str]  # tenant_id, client_id, client_secret, subscription_id, those of its CI hosts


WITH_SECRET = ("tenant_id", "client_id", "client_secret")  # what signing in by a client secret takes
WITH_TOKEN = ("tenant_id", "client_id")  # by a CI host's token
NEEDS_PERSON = ("browser", "device-code")  # ways of signing in
StartPractice = Callable[[], Practice]


@dataclass(frozen=True)
class Options:
    """What the caller gave: the project file, if any, the environment and the flags (by setting's name)."""

    file: Path | None
    environment: Mapping[str, str]
    flags: Mapping[str, str]
    somebody_there: bool = True  # a person sees what is told while the command works


def open_project(options: Options, start_practice: StartPractice) -> tuple[Project, Resolved, Cloud]:
    """The checked project and its cloud.

    Raises UsageError with every problem at once, before anything is started or called.
    """
    project, resolved = load(options.file, options.environment, options.flags, None)
    if project.cloud in PUBLIC_CLOUDS:
        return project, resolved, PUBLIC_CLOUDS[project.cloud]
    # The one other that the settings let through is the practice cloud.
    practice = start_practice()
    given = {**practice.settings, "origin": practice.origin}
    project, resolved = load(options.file, options.environment, options.flags, given)
    return project, resolved, local_cloud(practice.origin, practice.ca_bundle)


def open_session(options: Options, start_practice: StartPractice) -> Session:
    """As open_project, with nothing called yet but the practice cloud started.

    A browser or a device code needs a person. Where nobody is there, only the flag --sign-in can ask for one: whoever
    typed it is there after all. From a file or a variable it is a UsageError, so that no CI job waits for minutes.
    """
    project, resolved, cloud = open_project(options, start_practice)
    if project.sign_in in NEEDS_PERSON and not options.somebody_there and "sign_in" not in options.flags:
        raise UsageError(
            f"Signing in by {project.sign_in} needs a person, and this command runs without one.",
            problems=(f"azure.sign_in = {project.sign_in} (from {resolved.entries['sign_in'].source})",),
            hint=f"If somebody is there all the same, say so: --sign-in {project.sign_in}. In CI, choose another: "
            "--sign-in environment (ARM_TENANT_ID, ARM_CLIENT_ID, ARM_CLIENT_SECRET) or --sign-in federated.",
        )
    by_secret = project.sign_in == "environment" or (project.sign_in == "auto" and project.client_secret)
    if by_secret or project.sign_in == "federated":
        require(project, resolved, *(WITH_SECRET if by_secret else WITH_TOKEN))
    return Session(project, cloud, find(options.file, Path.cwd()))
