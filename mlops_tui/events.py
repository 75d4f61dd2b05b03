"""What the engine tells: frozen dataclasses, each with one JSON form.

That one form serves the pipe to the terminal app, the journal, `--output json` and recorded tests:

    {"type": "step_state", "seq": 3, "at": 1790000000.1, "step": "secret-scope", "state": "running", …}
"""

from __future__ import annotations

import dataclasses
import re
import typing
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

StepStatus = Literal["waiting", "checking", "will change", "running", "done", "warning", "failed", "skipped"]
RunStatus = Literal["pending", "running", "succeeded", "failed", "canceled"]
Action = Literal["create", "update", "keep", "replace", "remove"]
Level = Literal["info", "warning", "error"]


@dataclass(frozen=True)
class Change:
    """One line of a plan."""

    action: Action
    what: str  # "role assignment Contributor on /subscriptions/…/resourceGroups/mlops"
    detail: str = ""
    after: str = ""  # the step that must be applied before this is certain
    cost: str = ""  # what it costs while it exists or runs: "nothing by itself"
    warning: str = ""  # what to weigh before saying yes, whatever the action


@dataclass(frozen=True)
class ErrorCard:
    """An error as people read it (see `errors`)."""

    message: str
    hint: str = ""
    link: str = ""
    raw: str = ""
    code: str = ""
    exit_code: int = 1


@dataclass(frozen=True)
class RunResult:
    """A line of the table of runs."""

    name: str
    parameters: dict[str, float | str]
    status: RunStatus
    metrics: dict[str, float] = field(default_factory=dict)  # "rmse", "mae", "r2"
    seconds: float | None = None
    best: bool = False
    passed: bool | None = None  # the gate; None where there is no metric to judge by
    run_id: str = ""  # MLflow's
    url: str = ""
    build: str = ""
    source: str = ""  # who built: "AzureDevOps", "local"
    started: float | None = None  # seconds since 1970


@dataclass(frozen=True)
class SettingValue:
    """A setting as a form shows it."""

    name: str  # "resource_group"
    key: str  # of the file: "azure.resource_group"
    value: str  # empty: not given; of a secret: "(set)" or empty
    origin: str  # "mlops.toml line 7", "ARM_CLIENT_ID", "default"
    help: str
    type: str  # "str", "int", "float" or "choice"
    default: str = ""
    choices: tuple[str, ...] = ()
    secret: bool = False
    flag: str = ""
    variables: tuple[str, ...] = ()
    problem: str = ""  # why the value given cannot be used


@dataclass(frozen=True)
class StepDescription:
    """A step as people read about it."""

    name: str
    title: str
    about: str
    link: str
    needs: tuple[str, ...]
    settings: tuple[str, ...]  # names of those that shape it
    by_hand: str  # the commands it replaces


@dataclass(frozen=True)
class SignIn:
    """A cloud and a way of signing in to it, found on this machine."""

    title: str  # "Azure CLI: ada@example.com"
    detail: str  # "subscription Visual Studio, tenant contoso.com"
    settings: dict[str, str]  # what chooses it: {"cloud": "AzureCloud", "sign_in": "cli", …}


@dataclass(frozen=True)
class Choice:
    """Something that a setting may be set to."""

    value: str
    label: str  # what people know it by


@dataclass(frozen=True)
class JobRun:
    """A sweep in the cloud."""

    id: str
    url: str
    state: RunStatus
    build: str
    runs: tuple[str, ...]  # names
    started: float | None = None  # seconds since 1970


@dataclass(frozen=True, kw_only=True)
class Event:
    """The root; `seq` and `at` (seconds since 1970) are set when it is emitted."""

    type: ClassVar[str]
    seq: int = 0
    at: float = 0.0

    def __init_subclass__(cls) -> None:
        cls.type = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()
        _BY_TYPE[cls.type] = cls


_BY_TYPE: dict[str, type[Event]] = {}


@dataclass(frozen=True, kw_only=True)
class CommandStarted(Event):
    command: str
    cloud: str
    project: str
    version: str


@dataclass(frozen=True, kw_only=True)
class CommandFinished(Event):
    command: str
    exit_code: int
    seconds: float
    summary: str = ""


@dataclass(frozen=True, kw_only=True)
class StepState(Event):
    step: str
    title: str
    state: StepStatus
    detail: str = ""
    seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class Planned(Event):
    """What one step will change; `changes` is never empty."""

    step: str
    title: str
    changes: tuple[Change, ...]


@dataclass(frozen=True, kw_only=True)
class PlanReady(Event):
    """All steps have been looked at."""

    pending: int  # changes to make
    kept: int  # things that are as they should be


@dataclass(frozen=True, kw_only=True)
class LogLine(Event):
    """One line; `source` is a step's or a run's name."""

    source: str
    text: str
    level: Level = "info"


@dataclass(frozen=True, kw_only=True)
class Identified(Event):
    """An id or a URL that someone may want early: "job run 17", its page."""

    what: str
    id: str
    url: str = ""
    step: str = ""  # of setup that made or changed it, if one did


@dataclass(frozen=True, kw_only=True)
class RunState(Event):
    run: str
    state: RunStatus
    parameters: dict[str, float | str] = field(default_factory=dict)
    detail: str = ""
    url: str = ""
    seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class MetricsRead(Event):
    run: str
    metrics: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class RunsCompared(Event):
    """The table, best first marked; `gate` is in words ("rmse < 0.8")."""

    build: str
    results: tuple[RunResult, ...]
    best: str  # the run's name; empty where none ended well
    gate: str
    passed: bool


@dataclass(frozen=True, kw_only=True)
class RunsListed(Event):
    """Runs of any build, newest first."""

    results: tuple[RunResult, ...]
    gate: str


@dataclass(frozen=True, kw_only=True)
class JobRunsFound(Event):
    """The project's sweeps that the workspace remembers, newest first."""

    job_runs: tuple[JobRun, ...]


@dataclass(frozen=True, kw_only=True)
class RunDescribed(Event):
    """One tracked run: what it used and what it made."""

    result: RunResult
    tags: dict[str, str]
    artifacts: tuple[str, ...]  # paths below the run's artifact folder
    model_uri: str = ""
    predictions: tuple[tuple[float, float], ...] = ()  # actual and predicted, of the kept test set


@dataclass(frozen=True, kw_only=True)
class SettingsRead(Event):
    """Every setting, its value and where that came from; `file` is the project file's path, if there is one."""

    file: str
    values: tuple[SettingValue, ...]
    runs: tuple[dict[str, float], ...] = ()  # that a training launches, where nobody says otherwise


@dataclass(frozen=True, kw_only=True)
class StepsDescribed(Event):
    """All steps of setup, in order."""

    steps: tuple[StepDescription, ...]


@dataclass(frozen=True, kw_only=True)
class SignInsFound(Event):
    """The ways into a cloud that this machine is prepared for."""

    sign_ins: tuple[SignIn, ...]


@dataclass(frozen=True, kw_only=True)
class ChoicesRead(Event):
    """What the cloud offers for a setting."""

    setting: str
    choices: tuple[Choice, ...]


@dataclass(frozen=True, kw_only=True)
class Problem(Event):
    """Something failed; `source` is the step or run, empty for the command as a whole."""

    error: ErrorCard
    source: str = ""


def to_json(event: Event) -> dict[str, Any]:
    """The one JSON form."""
    return {"type": event.type, **dataclasses.asdict(event)}


def from_json(data: dict[str, Any]) -> Event:
    """Back again, without loss. Raises ValueError for an unknown type or a field that does not fit."""
    kind = _BY_TYPE.get(str(data.get("type", "")))
    if kind is None:
        raise ValueError(f"no event is of type {data.get('type')!r}")
    body = {name: value for name, value in data.items() if name != "type"}
    return typing.cast("Event", _build(kind, body))


def _build(kind: type[Any], body: dict[str, Any]) -> Any:
    hints = typing.get_type_hints(kind)
    try:
        return kind(**{name: _value(hints[name], value) for name, value in body.items()})
    except (KeyError, TypeError) as error:
        raise ValueError(f"{kind.__name__}: {error}") from error


def _value(hint: Any, value: Any) -> Any:
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, dict):
            raise TypeError(f"{value!r} is no object")
        return _build(typing.cast("type[Any]", hint), value)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple:
        return tuple(_value(arguments[0], item) for item in value)
    return value
