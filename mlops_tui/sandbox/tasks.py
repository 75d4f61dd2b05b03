"""The settings of jobs and one-time runs: put into one form, and checked as the Jobs service checks them.

Source: Databricks REST reference, Jobs 2.1 and 2.2 (create, reset, runs/submit). The old form with one task at the top
level (Jobs 2.0, "SINGLE_TASK") is accepted and turned into a list of one task.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from mlops_tui.sandbox.api import ApiError, Body
from mlops_tui.sandbox.runtimes import check_specification

if TYPE_CHECKING:
    from mlops_tui.sandbox.dialects import Dialect

RUNNABLE = ("notebook_task", "for_each_task")
# The sandbox has no Spark, no SQL warehouse and no other job to call: it says so when such a task is created.
KNOWN_ONLY = (
    "spark_jar_task",
    "spark_python_task",
    "spark_submit_task",
    "python_wheel_task",
    "pipeline_task",
    "sql_task",
    "dbt_task",
    "run_job_task",
    "condition_task",
    "dashboard_task",
    "power_bi_task",
    "alert_task",
    "clean_rooms_notebook_task",
)
RUN_IF = ("ALL_SUCCESS", "AT_LEAST_ONE_SUCCESS", "NONE_FAILED", "ALL_DONE", "AT_LEAST_ONE_FAILED", "ALL_FAILED")
SOURCES = ("GIT", "WORKSPACE")
COMPUTE = ("existing_cluster_id", "new_cluster", "job_cluster_key")
# What Jobs 2.0 has at the top level and later versions have in a task.
OF_THE_TASK = (
    *RUNNABLE,
    *KNOWN_ONLY,
    "existing_cluster_id",
    "new_cluster",
    "libraries",
    "max_retries",
    "min_retry_interval_millis",
    "retry_on_timeout",
)
MAX_CONCURRENCY = 100
MAX_TASKS = 1000
TASK_KEY = re.compile(r"[\w-]{1,100}")
REFERENCE = re.compile(r"\s*\{\{[^{}]+\}\}\s*")


def with_tasks(settings: Body, first_key: str) -> Body:
    """The settings in the form with `tasks`; `format` tells which form they came in."""
    if settings.get("tasks") or not any(kind in settings for kind in (*RUNNABLE, *KNOWN_ONLY)):
        return {**settings, "format": "MULTI_TASK"}
    task = {"task_key": first_key} | {name: settings[name] for name in OF_THE_TASK if name in settings}
    rest = {name: value for name, value in settings.items() if name not in OF_THE_TASK}
    return {**rest, "tasks": [task], "format": "SINGLE_TASK"}


def check_settings(dialect: Dialect, settings: Body) -> None:
    """Refuse (400) settings that the platform refuses, and (501) those that only the platform can run."""
    tasks = settings.get("tasks") or []
    if len(tasks) > MAX_TASKS:
        raise dialect.malformed(f"A job may have at most {MAX_TASKS} tasks.")
    for name in ("only", "access_control_list"):
        if settings.get(name):
            raise not_here(dialect, name)
    clusters = _job_clusters(dialect, settings)
    for task in tasks:
        _check_task(dialect, task, clusters)
        _check_source(dialect, task, settings)
    _check_environments(dialect, settings)
    keys = [task["task_key"] for task in tasks]
    for key in keys:
        if keys.count(key) > 1:
            raise dialect.malformed(f"Task keys must be unique: the key {key} is used more than once.")
    _check_graph(dialect, tasks)
    _check_numbers(dialect, settings)
    _check_parameters(dialect, settings)


def _job_clusters(dialect: Dialect, settings: Body) -> list[str]:
    keys: list[str] = []
    for cluster in settings.get("job_clusters") or []:
        key = cluster.get("job_cluster_key")
        if not key or key in keys:
            raise dialect.malformed(f"Job cluster keys must be present and unique: {key!r}.")
        check_specification(dialect, cluster.get("new_cluster") or {})
        keys.append(key)
    return keys


def _check_task(dialect: Dialect, task: Body, clusters: list[str], nested: bool = False) -> None:
    key = task.get("task_key")
    if not isinstance(key, str) or not TASK_KEY.fullmatch(key):
        raise dialect.malformed(
            f"The task key {key!r} is invalid: it may hold up to 100 letters, digits, dashes and underscores."
        )
    kinds = [kind for kind in (*RUNNABLE, *KNOWN_ONLY) if task.get(kind) is not None]
    if len(kinds) != 1:
        raise dialect.malformed(f"Task {key} must have exactly one task type; found: {', '.join(kinds) or 'none'}.")
    if kinds[0] in KNOWN_ONLY:
        raise not_here(dialect, f"{kinds[0]} of task {key}")
    if task.get("run_if", "ALL_SUCCESS") not in RUN_IF:
        raise dialect.malformed(f"Invalid run_if of task {key}: {task['run_if']}.")
    if kinds[0] == "for_each_task":
        _check_for_each(dialect, task, clusters, nested)
    else:
        _check_notebook(dialect, task)
        _check_compute(dialect, task, clusters)


def _check_notebook(dialect: Dialect, task: Body) -> None:
    notebook = task["notebook_task"]
    if not notebook.get("notebook_path"):
        raise dialect.malformed(f"Missing required field: notebook_path of task {task['task_key']}")
    check_text_map(dialect, notebook.get("base_parameters"), "base_parameters")


def _check_source(dialect: Dialect, outer: Body, settings: Body) -> None:
    """A notebook's path is absolute in the workspace, and relative in a repository."""
    task = (outer.get("for_each_task") or {}).get("task", outer)
    notebook = task["notebook_task"]
    source = notebook.get("source")
    if source not in (None, "", *SOURCES):
        raise dialect.malformed(f"Invalid source of task {task['task_key']}: {source}. It must be GIT or WORKSPACE.")
    if source == "GIT" and not settings.get("git_source"):
        raise dialect.malformed(f"git_source must be specified, for task {task['task_key']} has the source GIT.")
    is_absolute = notebook["notebook_path"].startswith("/")
    if is_from_git(settings, task):
        if is_absolute:
            raise dialect.malformed(
                f"Only relative paths are supported for notebooks with the source GIT: {notebook['notebook_path']}"
            )
    elif not is_absolute:
        raise dialect.malformed("Only absolute paths are currently supported. Paths must begin with '/'.")


def is_from_git(settings: Body, task: Body) -> bool:
    """Whether the task's notebook is the repository's: said, or because the job has a repository."""
    source = task["notebook_task"].get("source") or ("GIT" if settings.get("git_source") else "WORKSPACE")
    return bool(source == "GIT")


def _check_compute(dialect: Dialect, task: Body, clusters: list[str]) -> None:
    given = [name for name in COMPUTE if task.get(name)]
    if len(given) > 1:
        raise dialect.malformed(
            f"Task {task['task_key']}: only one of {', '.join(COMPUTE)} may be specified; found {', '.join(given)}."
        )
    if task.get("new_cluster"):
        check_specification(dialect, task["new_cluster"])
    if task.get("job_cluster_key") and task["job_cluster_key"] not in clusters:
        raise dialect.malformed(
            f"Job cluster '{task['job_cluster_key']}' of task '{task['task_key']}' is not defined in job_clusters."
        )


def _check_environments(dialect: Dialect, settings: Body) -> None:
    """What serverless tasks need comes from the job's environments, not from libraries of their own."""
    keys = [each.get("environment_key") for each in settings.get("environments") or []]
    for outer in settings.get("tasks") or []:
        task = (outer.get("for_each_task") or {}).get("task", outer)
        if task.get("libraries") and not any(task.get(name) for name in COMPUTE):
            raise dialect.malformed(
                "Libraries field is not supported for serverless task, please specify libraries in environment."
            )
        if task.get("environment_key") and task["environment_key"] not in keys:
            raise dialect.malformed(
                f"The environment_key '{task['environment_key']}' of task '{task['task_key']}' is not defined."
            )


def _check_for_each(dialect: Dialect, task: Body, clusters: list[str], nested: bool) -> None:
    loop = task["for_each_task"]
    if nested:
        raise dialect.malformed("A for_each_task cannot be nested in another one.")
    concurrency = loop.get("concurrency") or 1
    if not 1 <= concurrency <= MAX_CONCURRENCY:
        raise dialect.malformed(f"concurrency of task {task['task_key']} must be from 1 to {MAX_CONCURRENCY}.")
    inputs = loop.get("inputs")
    if not isinstance(inputs, str) or not (REFERENCE.fullmatch(inputs) or json_array(inputs) is not None):
        raise dialect.malformed(
            f"inputs of task {task['task_key']} must be a JSON array or a reference to a parameter or task value."
        )
    if not isinstance(loop.get("task"), dict):
        raise dialect.malformed(f"Missing required field: for_each_task.task of task {task['task_key']}")
    if loop["task"].get("depends_on"):
        raise dialect.malformed("The nested task of a for_each_task cannot have dependencies.")
    _check_task(dialect, loop["task"], clusters, nested=True)


def _check_graph(dialect: Dialect, tasks: list[Body]) -> None:
    needs = {task["task_key"]: [each.get("task_key") for each in task.get("depends_on") or []] for task in tasks}
    for key, wanted in needs.items():
        for other in wanted:
            if other not in needs:
                raise dialect.malformed(f"Task '{key}' depends on task '{other}', which is not defined in the job.")
    done: set[str] = set()
    while len(done) < len(needs):
        ready = {key for key, wanted in needs.items() if key not in done and done.issuperset(wanted)}
        if not ready:
            circle = ", ".join(sorted(set(needs) - done))
            raise dialect.malformed(f"The dependencies of the tasks contain a cycle: {circle}.")
        done |= ready


def _check_numbers(dialect: Dialect, settings: Body) -> None:
    if not 0 <= settings.get("max_concurrent_runs", 1) <= 1000:
        raise dialect.malformed("max_concurrent_runs must be from 0 to 1000.")
    if settings.get("timeout_seconds", 0) < 0:
        raise dialect.malformed("timeout_seconds must not be negative.")
    if len(settings.get("tags") or {}) > 25:
        raise dialect.malformed("A maximum of 25 tags can be added to a job.")
    check_text_map(dialect, settings.get("tags"), "tags")


def _check_parameters(dialect: Dialect, settings: Body) -> None:
    names: list[str] = []
    for parameter in settings.get("parameters") or []:
        name = parameter.get("name", "")
        if not re.fullmatch(r"[\w.-]+", name) or name in names or not isinstance(parameter.get("default"), str):
            raise dialect.malformed(
                f"Invalid job parameter {name!r}: each needs a name of its own ([A-Za-z0-9_.-]) and a default text."
            )
        names.append(name)


def check_text_map(dialect: Dialect, value: Any, name: str) -> None:
    """A map of texts to texts, or nothing; MALFORMED_REQUEST (400) otherwise."""
    if value is None:
        return
    if not isinstance(value, dict):
        kind = "ARRAY" if isinstance(value, list) else "STRING"
        raise dialect.error(
            400, "MALFORMED_REQUEST", f"Could not parse request object: Expected object for field {name}, found {kind}"
        )
    if not all(isinstance(each, str) for each in value.values()):
        raise dialect.error(400, "MALFORMED_REQUEST", f"Could not parse request object: {name} must map text to text.")


def json_array(text: str) -> list[Any] | None:
    """The array that a text holds, or None."""
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, list) else None


def not_here(dialect: Dialect, what: str) -> ApiError:
    """The refusal (501) of what the sandbox does not do; better than to ignore it."""
    return dialect.error(501, "NOT_IMPLEMENTED", f"The sandbox runs notebooks only. It cannot run: {what}.")
