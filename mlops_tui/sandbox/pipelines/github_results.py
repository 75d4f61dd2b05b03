"""How far a run is, as GitHub's expressions see it: contexts, and the status functions of jobs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mlops_tui.sandbox.pipelines.expressions import Function
from mlops_tui.sandbox.pipelines.model import Body
from mlops_tui.sandbox.pipelines.plan import Job, Plan

NAMES = {"succeeded": "success", "failed": "failure", "canceled": "cancelled", "skipped": "skipped", "": ""}


def contexts(
    run: Body, job: Job | None, plan: Plan, facts: Mapping[str, str], variables: Mapping[str, str]
) -> dict[str, Any]:
    """Those of a job that does not run yet; of the workflow itself without a job."""
    names = {name.removeprefix("GITHUB_").lower(): value for name, value in facts.items() if name.startswith("GITHUB_")}
    rows = {row["name"]: row for row in run["stages"][0]["jobs"]} if job else {}
    given = {name: str(value) for name, value in plan.values.items()}
    return {
        "github": {**names, "job": job.name if job else "", "event": {"inputs": given} if given else {}},
        "inputs": dict(plan.values),
        "vars": dict(variables),
        "needs": {
            name: {"result": NAMES[rows[name]["result"]], "outputs": rows[name]["outputs"]}
            for name in (job.needs if job else ())
        },
    }


def status(run: Body, job: Job, plan: Plan) -> dict[str, Function]:
    """The functions of a job's `if`: they look at all that it needs, directly or not (actions/runner issue 491)."""
    rows = {row["name"]: row["result"] for row in run["stages"][0]["jobs"]}
    results = [rows[name] for name in ancestors(job.needs, {one.name: one.needs for one in plan.stages[0].jobs})]
    canceled = bool(run["canceled"])
    return {
        "success": lambda: not canceled and all(result == "succeeded" for result in results),
        "failure": lambda: not canceled and "failed" in results,
        "cancelled": lambda: canceled,
        "always": lambda: True,
    }


def ancestors(needs: Iterable[str], of: Mapping[str, tuple[str, ...]]) -> set[str]:
    """What is needed, and what that needs, and so on; there are no circles."""
    found: set[str] = set()
    waiting = list(needs)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += of[name]
    return found


def hash_files(folder: Path, patterns: Iterable[str]) -> str:
    """One SHA-256 for all files that fit; "" where none does."""
    digest, found = hashlib.sha256(), False
    for pattern in patterns:
        for path in sorted(folder.glob(str(pattern).removeprefix("./").lstrip("/"))):
            if path.is_file() and path.resolve().is_relative_to(folder.resolve()):
                digest.update(hashlib.sha256(path.read_bytes()).digest())
                found = True
    return digest.hexdigest() if found else ""
