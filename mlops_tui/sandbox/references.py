"""Dynamic value references: {{job.run_id}}, {{tasks.train.values.rmse}}, {{input.alpha}} and their like.

Source: Databricks documentation, "What is a dynamic value reference?", with the older short names ({{run_id}}). A
reference that nothing answers to stays as it is written, except one to an input or to a task's value: that fails the
task.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

PATTERN = re.compile(r"\{\{\s*([A-Za-z0-9_.\- \[\]]+?)\s*\}\}")
MUST_EXIST = re.compile(r"input(\..+)?|tasks\.[^.]+\.values\..+")


class UnknownReferenceError(Exception):
    """A reference to an input or a task value that is not there; the message is what the run shows."""


def resolve(text: str, lookup: Callable[[str], Any]) -> str:
    """The text with its references replaced; values that are not text are written as JSON.

    `lookup` raises KeyError for what it does not know. Raises UnknownReferenceError.
    """

    def replace(match: re.Match[str]) -> str:
        try:
            value = lookup(match[1])
        except (KeyError, TypeError, IndexError) as error:
            if MUST_EXIST.fullmatch(match[1]):
                raise UnknownReferenceError(f"The reference {match[0]} could not be resolved.") from error
            return match[0]
        return value if isinstance(value, str) else json.dumps(value)

    return PATTERN.sub(replace, text)


def resolve_all(texts: Mapping[str, str], lookup: Callable[[str], Any]) -> dict[str, str]:
    return {name: resolve(text, lookup) for name, text in texts.items()}


class Lookup:
    """What references mean within one attempt at one task of one run."""

    def __init__(self, run: Mapping[str, Any], attempt: Mapping[str, Any], workspace_id: int) -> None:
        self._run = run
        self._attempt = attempt
        self._plain: dict[str, Any] = {
            "job.id": run["job_id"],
            "job.name": run["run_name"],
            "job.run_id": run["run_id"],
            "job.repair_count": len(run["repairs"]),
            "job.trigger.type": run["trigger"].lower(),
            "task.name": attempt["task_key"],
            "task.run_id": attempt["run_id"],
            "task.execution_count": attempt["attempt_number"] + 1,
            "workspace.id": workspace_id,
            "run.id": run["run_id"],
            "job_id": run["job_id"],
            "run_id": attempt["run_id"],
            "parent_run_id": run["run_id"],
            "task_key": attempt["task_key"],
            "task_retry_count": attempt["attempt_number"],
        }
        started = datetime.fromtimestamp(run["start_time"] / 1000, UTC)
        for name in ("job.start_time", "start"):
            self._plain[f"{name}.iso_date"] = f"{started:%Y-%m-%d}"
            self._plain[f"{name}.iso_datetime"] = f"{started:%Y-%m-%dT%H:%M:%S}"
            self._plain[f"{name}.timestamp_ms"] = run["start_time"]
        self._plain |= {"start_date": f"{started:%Y-%m-%d}", "start_time": run["start_time"]}

    def __call__(self, path: str) -> Any:
        """The value of a reference without its braces. Raises KeyError."""
        if path in self._plain:
            return self._plain[path]
        head, _, rest = path.partition(".")
        if head == "input":
            return _walk(self._attempt["input"], rest)
        if path.startswith("job.parameters."):
            return self._run["job_parameters"][path.removeprefix("job.parameters.")]
        if head == "tasks":
            return self._of_task(rest)
        raise KeyError(path)

    def _of_task(self, path: str) -> Any:
        key, _, rest = path.partition(".")
        others = [each for each in self._run["attempts"] if each["task_key"] == key and each["of"] is None]
        other = others[-1] if others else None
        if other is None:
            raise KeyError(path)
        if rest.startswith("values."):
            return other["values"][rest.removeprefix("values.")]
        return {
            "run_id": other["run_id"],
            "result_state": (other["result"] or "").lower(),
            "execution_count": other["attempt_number"] + 1,
        }[rest]


def _walk(value: Any, path: str) -> Any:
    for name in path.split(".") if path else []:
        value = value[int(name)] if isinstance(value, list) and name.isdigit() else value[name]
    return value
