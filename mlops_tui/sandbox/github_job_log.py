"""A job's log as GitHub gives it: one text, each line behind its moment, each step behind "##[group]Run …".

As seen in downloaded logs: a byte order mark, seven decimals of a second, "Set up job" without a heading of its own,
"Cleaning up orphan processes" at the end.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlops_tui.sandbox.api import Body
    from mlops_tui.sandbox.pipelines.service import Pipelines

MARK = "\ufeff"
GROUP, END = "##[group]", "##[endgroup]"


def job_log(pipelines: Pipelines, run_id: str, job: Body) -> str:
    lines = _framed(
        job["started"],
        f"{GROUP}GITHUB_TOKEN Permissions",
        *(f"{scope}: {level}" for scope, level in sorted(job.get("permissions", {}).items())),
        END,
        "Prepare workflow directory",
        f"Complete job name: {job['title'] or job['name']}",
    )
    for step in job["steps"]:
        if step["result"] == "skipped":
            continue
        told = pipelines.log(run_id, step["id"])
        if not told or f" {GROUP}Run " not in told[0]:
            lines += _framed(step["started"], f"{GROUP}Run {step['title'] or step['name']}", END)
        lines += told
    lines += _framed(job["finished"], "Cleaning up orphan processes")
    return MARK + "\n".join(lines) + "\n"


def _framed(seconds: float, *texts: str) -> list[str]:
    at = f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S.%f}0Z"
    return [f"{at} {text}" for text in texts]
