"""What each kind of step does. True where it has gone well; what went wrong has been said."""

from __future__ import annotations

import platform
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from mlops_tui.sandbox.pipelines import published
from mlops_tui.sandbox.pipelines.job_context import JobContext, StepReport
from mlops_tui.sandbox.pipelines.plan import Action, Step
from mlops_tui.sandbox.pipelines.published import ArtifactError, NothingFoundError

OWN_PYTHON = ".".join(platform.python_version_tuple()[:2])
GIT = ("git", "-c", "protocol.version=2", "-c", "advice.detachedHead=false", "-c", "init.defaultBranch=main")


@dataclass(frozen=True)
class Work:
    """One step to be done. `execute(command, folder, commands)`: the exit code; `commands`: its lines are obeyed."""

    step: Step
    context: JobContext
    report: StepReport
    execute: Callable[[list[str], Path, bool], int]

    def input(self, name: str) -> str:
        return self.context.text(self.step.inputs.get(name, ""))

    @property
    def sources(self) -> Path:
        return self.context.order.machine.sources


def _set_up(work: Work) -> bool:
    order, say = work.context.order, work.report.say
    say("The machine: this one, with the practice cloud's own Python and nothing of its user.")
    say(f"Operating system: {platform.system()} {platform.release()}; Python {platform.python_version()}")
    if order.row["environment"]:
        say(f"Environment: {order.row['environment']}")
    return True


def _run(work: Work) -> bool:
    script = work.context.order.machine.temp / f"{uuid.uuid4()}.sh"
    script.touch(mode=0o600)
    script.write_text(work.input("script"), encoding="utf-8")
    folder = work.sources / work.context.text(work.step.folder)
    if not folder.is_dir():
        work.report.error(f"The working directory does not exist: {folder}")
        return False
    code = work.execute(work.context.command(work.step, script), folder, True)
    if code:
        work.report.error(work.context.exit_message(work.step, code))
    return code == 0


def _azure_cli(work: Work) -> bool:
    work.report.say("The practice cloud does not sign `az` in: the script has the variables of the service connection.")
    return _run(work)


def _checkout(work: Work) -> bool:
    """The commit, from the repository on disk; the address stays in the checkout, without any credential."""
    run, folder = work.context.order.run, work.sources / work.input("path")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    depth = work.input("depth")
    limit = [f"--depth={depth}"] if depth.isdecimal() and depth != "0" else []
    branch = f"refs/remotes/origin/{run['branch']}"
    url = urlsplit(run["clone_url"])
    address = urlunsplit(url._replace(netloc=url.netloc.rpartition("@")[2]))
    work.report.say(f"Syncing repository: {run['owner']} ({run['branch']}, {run['commit']})")
    for command in (
        ["init", "--quiet", "--template="],
        ["config", "remote.origin.url", address],
        ["fetch", "--quiet", "--no-tags", *limit, f"file://{run['repository']}", f"+{run['commit']}:{branch}"],
        ["checkout", "--quiet", "--force", "--detach", run["commit"]],
    ):
        work.report.say(f"[command]git {' '.join(command)}")
        if code := work.execute([*GIT, *command], folder, False):
            work.report.error(f"Git {command[0]} failed with exit code: {code}")
            return False
    work.report.say(f"HEAD is now at {run['commit'][:7]}. No credentials stay in the checkout.")
    return True


def _python(work: Work) -> bool:
    wanted = work.input("version")
    is_met = wanted.rstrip(".x*") in ("", OWN_PYTHON.partition(".")[0], OWN_PYTHON)
    asked = "" if is_met else f" Python {wanted} was asked for; the practice cloud has this one alone."
    work.report.say(f"Python {platform.python_version()}, the practice cloud's own.{asked}")
    if work.input("cache"):
        work.report.say(f"{work.input('cache')} cache is not found")
    work.context.set_output(work.step, "python-version", platform.python_version())
    return True


def _cache(work: Work) -> bool:
    """There never is one: every job begins on a machine of its own."""
    work.report.say(f"Cache not found for input keys: {work.input('key')}")
    name = work.input("variable") if "variable" in work.step.inputs else "cache-hit"
    work.context.set_output(work.step, name, "false" if "variable" in work.step.inputs else "")
    return True


def _upload(work: Work) -> bool:
    order, missing = work.context.order, work.input("missing")
    name = work.input("name") or order.job.name
    try:
        is_hidden = bool(work.input("hidden"))
        count = published.publish(order.folder.artifacts, name, work.input("path"), work.sources, is_hidden)
    except NothingFoundError as error:
        {"warn": work.report.warning, "error": work.report.error}.get(missing, work.report.say)(str(error))
        return missing != "error"
    except ArtifactError as error:
        work.report.error(str(error))
        return False
    work.report.say(f"Artifact {name} has been published: {count} file{'s' if count > 1 else ''}.")
    return True


def _download(work: Work) -> bool:
    """One artifact to a folder, or all of them, each to its own."""
    root, place = work.context.order.folder.artifacts, work.context.destination(work.input("path"))
    name = work.input("name")
    wanted = {name: place} if name else {one: place / one for one in published.listed(root)}
    if not wanted:
        work.report.say("This run has published no artifacts yet.")
    try:
        for one, folder in wanted.items():
            count = published.take(root, one, folder)
            work.report.say(f"Artifact {one} has been downloaded to {folder}: {count} file{'s' if count > 1 else ''}.")
    except ArtifactError as error:
        work.report.error(f"Unable to download artifact(s): {error}")
        return False
    return True


ACTIONS: dict[Action, Callable[[Work], bool]] = {
    "set-up": _set_up,
    "run": _run,
    "azure-cli": _azure_cli,
    "checkout": _checkout,
    "python": _python,
    "cache": _cache,
    "upload": _upload,
    "download": _download,
}
