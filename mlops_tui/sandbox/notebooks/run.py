"""What a run is, and how it ended."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

OUTPUT_LIMIT = 20 * 1024 * 1024  # bytes kept of a run's output; Databricks: 20 MB for a job's notebook
RunState = Literal["SUCCESS", "FAILED", "TIMEDOUT", "CANCELED", "LOST"]


@dataclass(frozen=True)
class NotebookRun:
    """One notebook to run once."""

    run_id: int
    notebook: Path  # a Databricks source notebook (.py)
    parameters: dict[str, str]
    root: Path  # holds dbfs/, Volumes/, Workspace/ and databricks-datasets/
    environment: dict[str, str] = field(repr=False)  # set in the worker only, never in the cluster; holds a token
    output: Path  # stdout and stderr, redacted, appended as they come
    secrets: tuple[str, ...] = field(default=(), repr=False)  # printed as [REDACTED]
    timeout: float | None = None  # seconds
    task_values: dict[str, Any] = field(default_factory=dict)  # what earlier tasks set: {"task.key": value}
    task_key: str = ""
    output_limit: int = OUTPUT_LIMIT  # bytes

    def to_json(self) -> str:
        return json.dumps(asdict(self), default=str)

    @classmethod
    def from_json(cls, text: str) -> NotebookRun:
        fields = json.loads(text)
        paths = {name: Path(fields[name]) for name in ("notebook", "root", "output")}
        return cls(**{**fields, **paths, "secrets": tuple(fields["secrets"])})


@dataclass(frozen=True)
class Outcome:
    """How a run ended. LOST: the cluster died under it."""

    state: RunState
    result: str | None = None  # the value of dbutils.notebook.exit
    error: str | None = None  # one line: "ValueError: no such column"
    trace: str | None = None
    task_values: dict[str, Any] = field(default_factory=dict)  # what this run set: {key: value}
    seconds: float = 0.0
