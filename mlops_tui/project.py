"""What is to be: the project that mlops.toml describes, with everything the steps and the training read."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mlops_tui import redaction, settings
from mlops_tui.errors import UsageError
from mlops_tui.project_parts import Ci, ClusterSpec, Delivery, Gate, Training
from mlops_tui.run_parameters import DEFAULT_RUNS, Parameters, checked_runs, parse_grid, parse_runs
from mlops_tui.settings import AMBIENT_VARIABLES, Entry, FileValue, Problem, Resolved, Setting

if TYPE_CHECKING:
    from mlops_tui.project_file import ProjectFile

__all__ = [
    "Ci",
    "ClusterSpec",
    "Delivery",
    "Gate",
    "Look",
    "Parameters",
    "Project",
    "Training",
    "checked_runs",
    "load",
    "look",
    "look_at",
    "parse_grid",
    "parse_runs",
    "require",
]


@dataclass(frozen=True)
class Project:
    """Every value is checked; empty text means "not given"."""

    name: str = "wine-quality"
    notebooks: str = ""  # folder of the project's own notebooks; see project_file.notebook_source
    cloud: str = "sandbox"
    # who signs in, and how
    sign_in: Literal["auto", "environment", "federated", "cli", "browser", "device-code"] = "auto"
    tenant_id: str = ""
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    federated_token_file: str = ""
    subscription_id: str = ""
    # what must exist
    location: str = "westeurope"
    resource_group: str = "mlops-wine-quality"
    databricks_workspace: str = "mlops-wine-quality"
    databricks_sku: Literal["standard", "premium", "trial"] = "premium"
    databricks_host: str = ""  # given: that workspace is adopted, none is made
    databricks_token: str = field(default="", repr=False)
    ml_workspace: str = "mlops-wine-quality"
    service_principal: str = "MLOps-Databricks"
    role: str = "Contributor"
    secret_days: int = 180  # life of the client secret
    secret_scope: str = "azureml"  # noqa: S105 (a name)
    key_vault: str = ""  # resource id; given: the scope is backed by it
    notebook_folder: str = "/Shared/MLFlow"
    git_folder: str = "/Shared/MLFlow-git"  # linked to the repository
    notebook_source: Literal["workspace", "git-folder", "git"] = "workspace"  # where jobs take notebooks from
    cluster: ClusterSpec = field(default_factory=ClusterSpec)
    job_prefix: str = "Wine Quality"
    training: Training = field(default_factory=Training)
    delivery: Delivery = field(default_factory=Delivery)
    ci: Ci = field(default_factory=Ci)

    @property
    def ci_project(self) -> str:
        """The project's name in Azure DevOps."""
        return self.ci.project or self.name

    @property
    def repository(self) -> str:
        """The repository's name."""
        return self.ci.repository or self.name


@dataclass(frozen=True)
class Look:
    """What was found, right or wrong: where a value has a problem, the default stands in its place."""

    project: Project
    resolved: Resolved
    problems: tuple[Problem, ...]
    path: Path | None  # of the file; None where there is none


def load(
    path: Path | None,
    environment: Mapping[str, str],
    flags: Mapping[str, object],
    practice: Mapping[str, str] | None = None,
) -> tuple[Project, Resolved]:
    """As `look`, for whoever goes on only with what is right. Raises UsageError with all that is wrong."""
    looked = look(path, environment, flags, practice)
    if looked.problems:
        raise _cannot_use(looked.problems, looked.path)
    return looked.project, looked.resolved


def look(
    path: Path | None,
    environment: Mapping[str, str],
    flags: Mapping[str, object],
    practice: Mapping[str, str] | None = None,
) -> Look:
    """The project of the file at `path` (None: the nearest mlops.toml upward, or the built-in one where there is none).

    `flags` go by setting name; `practice` is what a running sandbox gives (see `settings.resolve`). Registers every
    secret with `redaction`.
    """
    from mlops_tui import project_file

    found = project_file.find(path, Path.cwd())
    file = project_file.read(found) if found else project_file.ProjectFile()
    return look_at(file, environment, flags, practice)


def look_at(
    file: ProjectFile,
    environment: Mapping[str, str],
    flags: Mapping[str, object],
    practice: Mapping[str, str] | None = None,
) -> Look:
    """The same, of a file that has been read."""
    _hide_secrets(environment, flags, practice or {})
    _hide_secrets_in_file(file.values)
    resolved = settings.resolve(file.values, environment, flags, practice)
    project = _build(resolved, file)
    problems = [*file.problems, *resolved.problems]
    if practice is None and project.cloud == "sandbox":
        # Whether these count is known once the sandbox is: they may be another tenant's.
        problems = [problem for problem in problems if problem.where not in AMBIENT_VARIABLES]
    problems = problems or _check_together(project, resolved, file)
    _add_lists(resolved, project, file)
    return Look(project, resolved, tuple(problems), file.path)


def require(project: Project, resolved: Resolved | None, *names: str) -> None:
    """Raises UsageError unless every setting named has a value; says for each how to give one.

    `resolved` tells which variables were set and do not count, where the caller knows.
    """
    missing = [name for name in names if _value(project, settings.BY_NAME[name]) == ""]
    if not missing:
        return
    what = "a value that it needs" if len(missing) == 1 else f"{len(missing)} values that it needs"
    raise UsageError(
        f"The command lacks {what}: {', '.join(missing)}.",
        problems=tuple(
            _how_to_give(settings.BY_NAME[name], resolved.entries[name].source if resolved else "") for name in missing
        ),
        hint="Give each in one of the ways named for it, then run the command again.",
    )


def _how_to_give(setting: Setting, source: str) -> str:
    ways = [f"flag {setting.flag}"] if setting.flag else []
    ways.append(f"variable {' or '.join(setting.variables)}")
    if not setting.secret:
        ways.append(f"key {setting.key} in mlops.toml")
    _, bracket, ignored = source.partition("(")  # a variable that was set and does not count
    return f"{setting.name}: {setting.help}: {', '.join(ways)}{f' ({ignored}' if bracket else ''}"


def _hide_secrets(environment: Mapping[str, str], flags: Mapping[str, object], practice: Mapping[str, str]) -> None:
    """Those of the environment that do not count, too: they could stand in somebody's error text."""
    for setting in settings.SETTINGS:
        if setting.secret:
            redaction.register(*(environment.get(variable) for variable in setting.variables))
            redaction.register(practice.get(setting.name), str(flags.get(setting.name) or ""))


def _hide_secrets_in_file(values: Mapping[str, FileValue]) -> None:
    for setting in settings.SETTINGS:
        if setting.secret and setting.key in values:
            redaction.register(str(values[setting.key].value))


def _build(resolved: Resolved, file: ProjectFile) -> Project:
    values: dict[str, Any] = {setting.attribute: resolved.entries[setting.name].value for setting in settings.SETTINGS}
    written = file.values.get("project.notebooks")
    if file.path and written and resolved.entries["notebooks"].source == written.source:
        values["notebooks"] = str(file.path.absolute().parent / str(written.value))  # counts from the file's folder
    metrics = file.metrics or Training.metrics
    runs = DEFAULT_RUNS if file.runs is None else file.runs
    training = Training(
        **_fields(values, "training."),
        gate=Gate(**_fields(values, "training.gate.")),
        metrics=metrics,
        runs=tuple(dict(run) for run in runs),
    )
    return Project(
        **_fields(values, ""),
        cluster=ClusterSpec(**_fields(values, "cluster.")),
        training=training,
        delivery=Delivery(**_fields(values, "delivery."), prices=dict(file.prices)),
        ci=Ci(**_fields(values, "ci.")),
    )


def _fields(values: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """The fields right below `prefix`, by their own names."""
    below = {name.removeprefix(prefix): value for name, value in values.items() if name.startswith(prefix)}
    return {name: value for name, value in below.items() if "." not in name}


def _value(project: Project, setting: Setting) -> object:
    return operator.attrgetter(setting.attribute)(project)


def _check_together(project: Project, resolved: Resolved, file: ProjectFile) -> list[Problem]:
    """What no value has wrong by itself."""
    problems: list[Problem] = []

    def wrong(name: str, reason: str, other: str = "default") -> None:
        """Where the setting itself is the default, it is the `other` that somebody wrote."""
        entry = resolved.entries[name]
        source = other if entry.source == "default" else entry.source
        problems.append(Problem(source.replace(" line ", ":"), entry.key, reason))

    if project.cluster.min_workers > project.cluster.max_workers:
        wrong("cluster_min_workers", f"is more than max_workers ({project.cluster.max_workers})")
    if project.notebook_source != "workspace" and project.ci.host == "none":
        wrong("notebook_source", "needs a repository: set ci.host, too")
    columns = project.training.metrics
    for name, metric in (("best_metric", project.training.best_metric), ("gate_metric", project.training.gate.metric)):
        if metric not in columns:
            reason = f"{metric!r} is none of training.metrics: {', '.join(columns)}"
            wrong(name, reason, file.list_sources.get("training.metrics", "default"))
    return problems


def _add_lists(resolved: Resolved, project: Project, file: ProjectFile) -> None:
    """The settings that are no scalars, so that people see them beside the others."""
    runs = "; ".join(" ".join(f"{name}={value:g}" for name, value in run.items()) for run in project.training.runs)
    prices = ", ".join(f"{name}={price:g}" for name, price in project.delivery.prices.items())
    metrics = ", ".join(project.training.metrics)
    for key, shown in (("training.metrics", metrics), ("training.runs", runs), ("delivery.prices", prices)):
        resolved.entries[key] = Entry(key, shown, file.list_sources.get(key, "default"))


def _cannot_use(problems: Sequence[Problem], path: Path | None) -> UsageError:
    count = "is a problem" if len(problems) == 1 else f"are {len(problems)} problems"
    return UsageError(
        f"There {count} in the settings{f' (the file is {path})' if path else ''}.",
        problems=tuple(redaction.redact(str(problem)) for problem in sorted(problems, key=_place_in_file)),
        hint="Correct what is named, then run the command again.",
    )


def _place_in_file(problem: Problem) -> tuple[bool, int]:
    """The file's first, by line; then the others as they came."""
    _, colon, line = problem.where.rpartition(":")
    return (not colon, int(line) if colon and line.isdigit() else 0)
