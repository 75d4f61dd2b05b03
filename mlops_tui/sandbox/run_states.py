"""The states of runs and of attempts at tasks, and how the two versions of the Jobs API show them.

Kept are the names of Jobs 2.1 (`life`: QUEUED, BLOCKED, PENDING, RUNNING, TERMINATING, WAITING_FOR_RETRY; at the end
TERMINATED, SKIPPED or INTERNAL_ERROR; and `result`) with the termination code of Jobs 2.2; both views come from these.
"""

from __future__ import annotations

from dataclasses import dataclass

from mlops_tui.sandbox.api import Body

OVER = ("TERMINATED", "SKIPPED", "INTERNAL_ERROR")
QUEUE_REASON = "Queued due to reaching the maximum concurrent runs of the job."


@dataclass(frozen=True)
class Ending:
    """How something ended."""

    result: str  # a result_state
    message: str
    code: str  # a termination code
    kind: str = "CLIENT_ERROR"  # a termination type
    life: str = "TERMINATED"


SUCCESS = Ending("SUCCESS", "", "SUCCESS", "SUCCESS")
FAILED = Ending("FAILED", "Workload failed, see run output for details", "RUN_EXECUTION_ERROR")
CANCELED = Ending("CANCELED", "Run cancelled.", "USER_CANCELED")
TIMED_OUT = Ending("TIMEDOUT", "Run timed out.", "CANCELED")
UPSTREAM_FAILED = Ending("UPSTREAM_FAILED", "An upstream task failed.", "SKIPPED")
UPSTREAM_CANCELED = Ending("UPSTREAM_CANCELED", "An upstream task was canceled.", "SKIPPED")
EXCLUDED = Ending("EXCLUDED", "The run_if condition of the task was not met.", "SKIPPED", "SUCCESS")
TOO_MANY_RUNS = Ending(
    "MAXIMUM_CONCURRENT_RUNS_REACHED",
    "An active run for the same job is already running and the limit of concurrent runs was reached.",
    "MAX_CONCURRENT_RUNS_EXCEEDED",
    life="SKIPPED",
)
SANDBOX_DIED = Ending(
    "FAILED",
    "The sandbox was stopped while the run was active, and the run with it. Repair it or start a new one.",
    "INTERNAL_ERROR",
    "INTERNAL_ERROR",
    "INTERNAL_ERROR",
)


class CannotRunError(Exception):
    """An attempt that fails before any notebook runs; with the termination code."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


def refused(message: str, code: str) -> Ending:
    """A task that could not even begin."""
    return Ending("FAILED", message, code, life="INTERNAL_ERROR")


def cluster_lost(cluster_id: str, message: str) -> Ending:
    text = f"Run failed: cluster {cluster_id} was terminated during the run (cluster state message: {message})"
    return Ending("FAILED", text, "CLUSTER_ERROR", "CLOUD_FAILURE", "INTERNAL_ERROR")


def is_over(thing: Body) -> bool:
    return thing["life"] in OVER


def succeeded(thing: Body) -> bool:
    return thing["result"] in ("SUCCESS", "SUCCESS_WITH_FAILURES")


def failed(thing: Body) -> bool:
    """It ran, or was to run, and came to no good; not: it was skipped."""
    return thing["result"] in ("FAILED", "TIMEDOUT", "CANCELED")


def end(thing: Body, ending: Ending, now: int) -> None:
    """Write an ending into a run or an attempt. `now` in ms since 1970."""
    thing |= {
        "life": ending.life,
        "result": ending.result,
        "message": ending.message,
        "code": ending.code,
        "kind": ending.kind,
        "end_time": now,
    }


def state(thing: Body) -> Body:
    """`state`, as all versions have it."""
    shown = {
        "life_cycle_state": thing["life"],
        "state_message": thing["message"],
        "user_cancelled_or_timedout": thing["result"] in ("CANCELED", "TIMEDOUT"),
    }
    if thing["life"] == "QUEUED":
        shown["queue_reason"] = QUEUE_REASON
    if thing["result"]:
        shown["result_state"] = thing["result"]
    return shown


def status(thing: Body) -> Body:
    """`status`, as Jobs 2.2 has it."""
    if is_over(thing):
        details = {"code": thing["code"], "type": thing["kind"], "message": thing["message"]}
        return {"state": "TERMINATED", "termination_details": details}
    shown: Body = {"state": "WAITING" if thing["life"] == "WAITING_FOR_RETRY" else thing["life"]}
    if thing["life"] == "QUEUED":
        shown["queue_details"] = {"code": "MAX_CONCURRENT_RUNS_REACHED", "message": QUEUE_REASON}
    return shown
