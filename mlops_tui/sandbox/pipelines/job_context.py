"""What the agent must know of a host to run a job there: its expressions, its environment, its logging commands."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mlops_tui.sandbox.pipelines.folders import Machine, RunFolder
from mlops_tui.sandbox.pipelines.masks import Masks
from mlops_tui.sandbox.pipelines.model import Body, HostSide
from mlops_tui.sandbox.pipelines.plan import Job, Plan, Stage, Step
from mlops_tui.sandbox.pipelines.records import issue


@dataclass(frozen=True)
class JobOrder:
    """All that a job is made of."""

    run: Body
    row: Body  # the job in the run's document
    plan: Plan
    stage: Stage
    job: Job
    side: HostSide
    machine: Machine
    folder: RunFolder


class StepReport:
    """What comes out of a step: lines, issues, a verdict of its own."""

    def __init__(self, say: Callable[[str], None], note: Callable[[Body], None], masks: Masks, summary: Path) -> None:
        self.say, self._note, self._masks, self._summary = say, note, masks, summary
        self.verdict = ""  # "succeeded" or "failed", where the step says so itself

    def issue(self, kind: str, message: str, file: str = "", line: int = 0) -> None:
        """Kept with the step and its job."""
        self._note(issue(kind, self._masks.hide(message), self._masks.hide(file), line))

    def error(self, message: str) -> None:
        """Said and kept."""
        for line in message.splitlines() or [""]:
            self.say(f"##[error]{line}")
        self.issue("error", message)

    def warning(self, message: str) -> None:
        for line in message.splitlines() or [""]:
            self.say(f"##[warning]{line}")
        self.issue("warning", message)

    def summary(self, markdown: str) -> None:
        """Added to the job's page."""
        self._summary.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._summary.touch(mode=0o600)
        with self._summary.open("a", encoding="utf-8") as file:
            file.write(self._masks.hide(markdown).rstrip("\n") + "\n")


class JobContext(ABC):
    """One host's side of one job while it runs. Texts and conditions may raise ExpressionError."""

    cleaning_minutes = 5.0  # that steps may take which run although the job was canceled, on both hosts
    usual_minutes: float  # that a job may take where it does not say

    def __init__(self, order: JobOrder, secrets: Mapping[str, str]) -> None:
        self.order = order
        self.secrets = dict(secrets)
        self.masks = Masks(self.secrets.values())
        self.failed = False  # a step has, that may not
        self.canceled = False
        self.paths: list[str] = []  # that steps have put before PATH, the newest last

    @abstractmethod
    def text(self, written: str) -> str:
        """With the host's expressions worked out."""

    @abstractmethod
    def title(self, step: Step) -> str: ...

    @abstractmethod
    def wants(self, step: Step) -> bool:
        """Whether its condition holds."""

    @abstractmethod
    def environment(self, step: Step) -> dict[str, str]:
        """What the host and the file give to the step. Raises LookupError for a connection that is not there."""

    @abstractmethod
    def begin(self, step: Step, report: StepReport) -> None: ...

    @abstractmethod
    def hear(self, line: str, step: Step, report: StepReport) -> None:
        """A line that the step's program has printed: shown, and obeyed where it is a command."""

    @abstractmethod
    def end(self, step: Step, report: StepReport) -> None:
        """The program has ended."""

    @abstractmethod
    def ended(self, step: Step, result: str, forgiven: bool) -> None:
        """What others may ask of the step; forgiven: it has failed, and the job goes on."""

    @abstractmethod
    def outputs(self, report: StepReport) -> dict[str, str]:
        """Of the job, at its end."""

    @abstractmethod
    def command(self, step: Step, script: Path) -> list[str]:
        """By which the step's script is run."""

    @abstractmethod
    def set_output(self, step: Step, name: str, value: str) -> None: ...

    @abstractmethod
    def exit_message(self, step: Step, code: int) -> str:
        """Of a script that has ended with another code than 0."""

    @abstractmethod
    def destination(self, path: str) -> Path:
        """Where what is downloaded goes."""
