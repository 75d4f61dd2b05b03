"""How far a run is: what its parts' states and results come to."""

from __future__ import annotations

import time

from mlops_tui.sandbox.pipelines.model import Body
from mlops_tui.sandbox.pipelines.records import jobs


def have_ended(rows: list[Body], names: list[str]) -> bool:
    return all(row["state"] == "completed" for row in rows if row["name"] in names)


def together(results: list[str]) -> str:
    """What the results of parts are for the whole."""
    return next((one for one in ("failed", "canceled", "succeeded") if one in results), "skipped")


def pass_over(row: Body, result: str) -> None:
    """End a stage or a job, and what in it has not begun."""
    for inner in (*row.get("jobs", ()), *row.get("steps", ())):
        if inner["state"] != "completed":
            pass_over(inner, "skipped" if inner["state"] == "pending" and result != "canceled" else result)
    row |= {"state": "completed", "result": result}


def settle(run: Body) -> None:
    """The states of the run and of its stages, by those of the jobs."""
    for stage in run["stages"]:
        states = {job["state"] for job in stage["jobs"]}
        if stage["state"] != "completed" and states & {"running", "waiting"}:
            stage["state"] = "running" if "running" in states else "waiting"
    if run["state"] != "completed" and all(stage["state"] == "completed" for stage in run["stages"]):
        result = together([stage["result"] for stage in run["stages"]])
        ended = {"state": "completed", "result": "succeeded" if result == "skipped" else result}
        run |= {**ended, "started": run["started"] or run["created"], "finished": time.time()}
    elif run["state"] != "completed":
        states = {job["state"] for _, job in jobs(run)}
        begun = "running" if run["started"] else "queued"
        run["state"] = "running" if "running" in states else "waiting" if "waiting" in states else begun


def lose(run: Body, message: Body) -> None:
    """What ran when the sandbox was killed has failed."""
    for _, job in jobs(run):
        if job["state"] != "running":
            continue
        pass_over(job, "failed")
        job["finished"] = time.time()
        job["issues"].append(message)


def give_up(run: Body, message: Body) -> None:
    """A run that cannot go on has failed."""
    for stage in run["stages"]:
        if stage["state"] != "completed":
            pass_over(stage, "failed")
    run |= {"state": "completed", "result": "failed", "finished": time.time()}
    run["issues"].append(message)


def out_of_turn(name: str) -> str:
    return f"Canceling since a higher priority waiting request for '{name}' exists"
