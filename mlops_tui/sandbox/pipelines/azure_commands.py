"""What steps say to Azure Pipelines: ##vso[area.event key=value;…]data (Microsoft, "Logging commands").

As in microsoft/azure-pipelines-agent (Command, WorkerCommandManager) a command counts anywhere in a line; one that
cannot be done fails the step. Lines with ##[group], ##[error] … are only shown in another way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mlops_tui.sandbox.pipelines.job_context import StepReport

PREFIX = "##vso["
HELP = "Please reference documentation (http://go.microsoft.com/fwlink/?LinkId=817296)"
ESCAPED = {"%3B": ";", "%0D": "\r", "%0A": "\n", "%5D": "]", "%AZP25": "%"}
SUMMARY_LIMIT = 1024**2  # bytes


@dataclass(frozen=True)
class Command:
    name: str  # "task.setvariable", in lower case
    properties: dict[str, str]  # names in lower case
    data: str

    def flag(self, name: str) -> bool:
        return self.properties.get(name, "").lower() == "true"


class CommandError(Exception):
    """A command that cannot be done; the message says why."""


@dataclass(frozen=True)
class Desk:
    """What commands may do to the job: set a variable, hide a value, look up a file, lengthen PATH, rename the run."""

    set_variable: Callable[[Command], None]
    hide: Callable[[str], None]
    prepend_path: Callable[[str], None]
    rename: Callable[[str], None]


def parse(line: str) -> Command | None:
    start = line.find(PREFIX)
    end = line.find("]", start)
    if start < 0 or end < 0:
        return None
    head, _, rest = line[start + len(PREFIX) : end].partition(" ")
    name = [part for part in head.split(".") if part]
    if len(name) != 2:
        return None
    pairs = (one.partition("=") for one in rest.split(";"))
    properties = {key.strip().lower(): _unescaped(value) for key, sign, value in pairs if sign and key.strip()}
    return Command(".".join(name).lower(), properties, _unescaped(line[end + 1 :]))


def hear(line: str, report: StepReport, desk: Desk) -> None:
    command = parse(line)
    if command is None:
        report.say(line)
        return
    try:
        _obey(command, report, desk)
    except CommandError as error:
        report.error(f"Unable to process command '{line}' successfully. {HELP}")
        report.error(str(error))
        report.verdict = "failed"


def _obey(command: Command, report: StepReport, desk: Desk) -> None:
    match command.name:
        case "task.logissue":
            _issue(command, report)
        case "task.setvariable":
            desk.set_variable(command)
        case "task.setsecret":
            desk.hide(command.data)
        case "task.complete":
            report.verdict = "failed" if command.properties.get("result", "").lower() == "failed" else "succeeded"
        case "task.uploadsummary":
            _summary(command.data, report)
        case "task.prependpath":
            desk.prepend_path(command.data)
        case "task.debug":
            report.say(f"##[debug]{command.data}")
        case "build.updatebuildnumber":
            desk.rename(command.data)
        case "task.setprogress" | "build.addbuildtag" | "task.uploadfile":
            pass  # nothing here shows them
        case _:
            raise CommandError(f"##vso[{command.name}] is not known to the practice cloud. {HELP}")


def _issue(command: Command, report: StepReport) -> None:
    kind = command.properties.get("type", "").lower()
    if kind not in ("error", "warning"):
        raise CommandError(f"The issue type '{kind}' is not valid: error or warning.")
    line = command.properties.get("linenumber", "")
    report.say(f"##[{kind}]{command.data}")
    file = command.properties.get("sourcepath", "")
    report.issue(kind, command.data, file, int(line) if line.isdecimal() else 0)


def _summary(name: str, report: StepReport) -> None:
    path = Path(name)
    try:
        if path.stat().st_size > SUMMARY_LIMIT:
            raise CommandError(f"The summary file {name} is larger than {SUMMARY_LIMIT // 1024} KiB.")
        report.summary(path.read_text("utf-8", "replace"))
    except OSError as error:
        raise CommandError(f"Cannot upload the summary file, it does not exist on disk: {name}") from error


def _unescaped(text: str) -> str:
    for written, meant in ESCAPED.items():
        text = text.replace(written, meant)
    return text
