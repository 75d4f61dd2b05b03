"""A job's log as GitHub gives it: one text, each line behind its moment, each step behind "##[group]Run …".

As seen in downloaded logs: a byte order mark, seven decimals of a second, "Set up job" without a heading of its own,
"Cleaning up orphan processes" at the end.
"""

from __future__ import annotations

import io
import re
import zipfile
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mlops_tui.sandbox.github_run_views import COMPLETE, SET_UP, jobs_of

if TYPE_CHECKING:
    from mlops_tui.sandbox.api import Body
    from mlops_tui.sandbox.pipelines.service import Pipelines

MARK = "\ufeff"
GROUP, END = "##[group]", "##[endgroup]"


def job_log(pipelines: Pipelines, run_id: str, job: Body) -> str:
    return MARK + "".join(f"{line}\n" for lines in _parts(pipelines, run_id, job).values() for line in lines)


def run_archive(pipelines: Pipelines, run: Body) -> bytes:
    """The logs of all jobs, a text each, and of their steps, in a folder a job ("Download workflow run logs")."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for place, job in enumerate(one for one in jobs_of(run) if one["started"] and one["result"] != "skipped"):
            name = _file_name(job["title"] or job["name"])
            archive.writestr(f"{place}_{name}.txt", job_log(pipelines, run["id"], job))
            for (number, step), lines in _parts(pipelines, run["id"], job).items():
                archive.writestr(f"{name}/{number}_{_file_name(step)}.txt", "".join(f"{line}\n" for line in lines))
    return written.getvalue()


def _file_name(text: str) -> str:
    """Without what no archive's name may have."""
    return re.sub(r'[<>:"/\\|?*\x00-\x1f]', "", text).strip()


def _parts(pipelines: Pipelines, run_id: str, job: Body) -> dict[tuple[int, str], list[str]]:
    """Lines by step: its number and its name, as the job shows them."""
    parts = {
        (1, SET_UP): _framed(
            job["started"],
            f"{GROUP}GITHUB_TOKEN Permissions",
            *(f"{scope}: {level}" for scope, level in sorted(job.get("permissions", {}).items())),
            END,
            "Prepare workflow directory",
            f"Complete job name: {job['title'] or job['name']}",
        )
    }
    for number, step in enumerate(job["steps"], start=2):
        if step["result"] == "skipped":
            continue
        name = step["title"] or step["name"]
        told = pipelines.log(run_id, step["id"])
        headed = bool(told) and f" {GROUP}Run " in told[0]
        parts[number, name] = [*([] if headed else _framed(step["started"], f"{GROUP}Run {name}", END)), *told]
    parts[len(job["steps"]) + 2, COMPLETE] = _framed(job["finished"], "Cleaning up orphan processes")
    return parts


def _framed(seconds: float, *texts: str) -> list[str]:
    at = f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S.%f}0Z"
    return [f"{at} {text}" for text in texts]
