"""Of setting up: steps, plans, settings, ways to sign in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mlops_tui.events.base import Event

StepStatus = Literal["waiting", "checking", "will change", "running", "done", "warning", "failed", "skipped"]
Action = Literal["create", "update", "keep", "replace", "remove"]


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
