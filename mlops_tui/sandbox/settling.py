"""What happens next in a run: which tasks may begin, which are skipped or tried again, and how the run ends.

`settle` is a plain function of the run's document: it moves whatever can move and returns the attempts to launch. The
document is the whole truth, so that a restarted sandbox, a cancellation and the end of a task all come down to it.
Rules: Databricks REST reference, Jobs 2.2 (depends_on, run_if, for_each_task, max_retries).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from mlops_tui.sandbox import run_states
from mlops_tui.sandbox.api import Body
from mlops_tui.sandbox.references import Lookup, UnknownReferenceError, resolve
from mlops_tui.sandbox.run_states import Ending, end, failed, is_over, succeeded
from mlops_tui.sandbox.tasks import json_array

NewId = Callable[[], int]
ERROR_LENGTH = 300  # characters of an iteration's message that a for_each_task's own message repeats


def new_attempt(run: Body, task_key: str, run_id: int, now: int, before: Body | None = None, **fields: Any) -> Body:
    """Add an attempt at a task (or at one iteration, with `of`, `index` and `input`); BLOCKED at first."""
    attempt: Body = {
        "run_id": run_id,
        "task_key": task_key,
        "attempt_number": before["attempt_number"] + 1 if before else 0,
        "original_attempt_run_id": before["original_attempt_run_id"] if before else run_id,
        "of": None,
        "index": 0,
        "input": None,
        "life": "BLOCKED",
        "result": "",
        "message": "",
        "start_time": now,
        "running_since": 0,
        "end_time": 0,
        "cluster_id": "",
        "values": {},
        "retries": 0,
        **fields,
    }
    run["attempts"].append(attempt)
    return attempt


def spec_of(run: Body, attempt: Body) -> Body:
    """The task's settings; of an iteration, those of the nested task."""
    if attempt["of"] is not None:
        loop = next(each for each in run["attempts"] if each["run_id"] == attempt["of"])
        nested: Body = spec_of(run, loop)["for_each_task"]["task"]
        return nested
    tasks: list[Body] = run["settings"]["tasks"]
    return next(task for task in tasks if task["task_key"] == attempt["task_key"])


def latest(run: Body) -> dict[str, Body]:
    """The last attempt at each task, by task key."""
    return {attempt["task_key"]: attempt for attempt in run["attempts"] if attempt["of"] is None}


def iterations(run: Body, loop: Body) -> list[Body]:
    """The last attempt at each iteration of an attempt at a for_each_task, in the order of the inputs."""
    carried = loop.get("carries", ())
    found = {
        attempt["index"]: attempt
        for attempt in run["attempts"]
        if attempt["of"] == loop["run_id"] or attempt["run_id"] in carried
    }
    return [found[index] for index in sorted(found)]


def settle(run: Body, now: int, new_id: NewId, workspace_id: int) -> list[Body]:
    """Move all that can move; the attempts that are to be launched now (they are PENDING). `now` in ms."""
    launches: list[Body] = []
    moved = True
    while moved:
        moved = _retry(run, now, new_id)
        for attempt in [each for each in run["attempts"] if not is_over(each)]:
            moved |= _move(run, attempt, now, new_id, workspace_id, launches)
    _settle_run(run, now)
    return launches


def _move(run: Body, attempt: Body, now: int, new_id: NewId, workspace_id: int, launches: list[Body]) -> bool:
    spec = spec_of(run, attempt)
    if attempt["life"] == "BLOCKED":
        if _halted(run, attempt):
            end(attempt, run_states.CANCELED, now)
            return True
        verdict = may_begin(spec, latest(run))
        if verdict is None:
            return False
        if isinstance(verdict, Ending):
            end(attempt, verdict, now)
        elif "for_each_task" in spec:
            _open_loop(run, attempt, spec, now, workspace_id)
        else:
            _launch(attempt, now, launches)
        return True
    if attempt["life"] == "WAITING_FOR_RETRY":
        if _halted(run, attempt):
            end(attempt, run_states.CANCELED, now)
        elif now >= attempt["not_before"]:
            _launch(attempt, now, launches)
        return bool(attempt["life"] != "WAITING_FOR_RETRY")
    if "for_each_task" in spec and attempt["life"] == "RUNNING":
        return _turn_loop(run, attempt, spec, now, new_id, launches)
    return False


def _launch(attempt: Body, now: int, launches: list[Body]) -> None:
    attempt |= {"life": "PENDING", "start_time": now, "message": "Waiting for cluster"}
    launches.append(attempt)


def may_begin(spec: Body, others: dict[str, Body]) -> bool | Ending | None:
    """True: it may; None: not yet; an Ending: it never will, by its run_if."""
    before = [others[each["task_key"]] for each in spec.get("depends_on") or []]
    if not all(is_over(each) for each in before):
        return None
    good = [each for each in before if succeeded(each)]
    bad = [each for each in before if failed(each) or each["result"].startswith("UPSTREAM_")]
    verdicts = {
        "ALL_SUCCESS": len(good) + len([each for each in before if each["result"] == "EXCLUDED"]) == len(before),
        "AT_LEAST_ONE_SUCCESS": bool(good),
        "NONE_FAILED": not bad and bool(good),
        "ALL_DONE": True,
        "AT_LEAST_ONE_FAILED": bool(bad),
        "ALL_FAILED": bool(bad) and len(bad) == len(before),
    }
    rule = spec.get("run_if", "ALL_SUCCESS")
    if not before or verdicts[rule]:
        return True
    if rule != "ALL_SUCCESS":
        return run_states.EXCLUDED
    canceled = any(each["result"] in ("CANCELED", "UPSTREAM_CANCELED") for each in before)
    return run_states.UPSTREAM_CANCELED if canceled else run_states.UPSTREAM_FAILED


def _open_loop(run: Body, loop: Body, spec: Body, now: int, workspace_id: int) -> None:
    """A for_each_task begins: its inputs are known now."""
    loop |= {"start_time": now, "running_since": now}
    try:
        inputs = json_array(resolve(spec["for_each_task"]["inputs"], Lookup(run, loop, workspace_id)))
    except UnknownReferenceError as error:
        end(loop, run_states.refused(str(error), "INVALID_RUN_CONFIGURATION"), now)
        return
    if inputs is None:
        message = "The inputs of the for_each_task are not a JSON array."
        end(loop, run_states.refused(message, "INVALID_RUN_CONFIGURATION"), now)
        return
    loop |= {"life": "RUNNING", "message": "In run", "inputs": inputs}


def _turn_loop(run: Body, loop: Body, spec: Body, now: int, new_id: NewId, launches: list[Body]) -> bool:
    """Start iterations up to the concurrency; end the task when all are over."""
    nested = spec["for_each_task"]
    current = iterations(run, loop)
    begun = {each["index"] for each in current}
    free = (nested.get("concurrency") or 1) - len([each for each in current if not is_over(each)])
    waiting = [] if _halted(run, loop) else [index for index in range(len(loop["inputs"])) if index not in begun]
    for index in waiting[: max(free, 0)]:
        fields = {"of": loop["run_id"], "index": index, "input": loop["inputs"][index]}
        _launch(new_attempt(run, nested["task"]["task_key"], new_id(), now, **fields), now, launches)
    if waiting or not all(is_over(each) for each in current):
        return False
    end(loop, run_states.CANCELED if _halted(run, loop) else _loop_ending(current), now)
    return True


def _halted(run: Body, attempt: Body) -> bool:
    """Somebody has asked for the end of the run, or of this attempt alone."""
    return bool(run["stop"] or attempt.get("stop"))


def _loop_ending(current: list[Body]) -> Ending:
    """A cancelled iteration counts as one that failed."""
    bad = [each for each in current if not succeeded(each)]
    if not bad:
        return run_states.SUCCESS
    first = bad[0]["message"][:ERROR_LENGTH]
    return Ending("FAILED", f"{len(bad)} of {len(current)} iterations failed: {first}", "RUN_EXECUTION_ERROR")


def _retry(run: Body, now: int, new_id: NewId) -> bool:
    """A new attempt for whatever failed and has retries left."""
    if run["stop"]:
        return False
    current: list[Body] = list(latest(run).values())
    for loop in [each for each in current if "inputs" in each and not is_over(each)]:
        current += iterations(run, loop)
    ended = [each for each in current if is_over(each) and not each.get("stop")]
    again = [each for each in ended if _may_retry(spec_of(run, each), each)]
    for attempt in again:
        pause = spec_of(run, attempt).get("min_retry_interval_millis") or 0
        kept = {name: attempt[name] for name in ("of", "index", "input")}
        fields = {"life": "WAITING_FOR_RETRY", "not_before": now + pause, "retries": attempt["retries"] + 1}
        new_attempt(run, attempt["task_key"], new_id(), now, before=attempt, **kept, **fields)
    return bool(again)


def _may_retry(spec: Body, attempt: Body) -> bool:
    if "for_each_task" in spec or attempt["result"] not in ("FAILED", "TIMEDOUT"):
        return False
    if attempt["result"] == "TIMEDOUT" and not spec.get("retry_on_timeout"):
        return False
    allowed: int = spec.get("max_retries") or 0
    return allowed < 0 or attempt["retries"] < allowed


def _settle_run(run: Body, now: int) -> None:
    current = latest(run).values()
    if all(is_over(each) for each in current):
        end(run, ending_of(run), now)
    elif run["stop"]:
        run["life"] = "TERMINATING"
    elif any(each["running_since"] for each in current):
        run |= {"life": "RUNNING", "message": "In run"}


def ending_of(run: Body) -> Ending:
    """How a run ends whose tasks are over: its last tasks (on which no other depends) decide."""
    if run["stop"]:
        return run_states.TIMED_OUT if run["stop"] == "TIMEDOUT" else run_states.CANCELED
    current = latest(run)
    inner = {each["task_key"] for task in run["settings"]["tasks"] for each in task.get("depends_on") or []}
    bad = [each for each in current.values() if failed(each)]
    leaves = [each for key, each in current.items() if key not in inner]
    if all(succeeded(each) or each["result"] == "EXCLUDED" for each in leaves):
        some = Ending("SUCCESS_WITH_FAILURES", "", "SUCCESS_WITH_FAILURES", "SUCCESS")
        return some if bad else run_states.SUCCESS
    return _failure(bad, current.values())


def _failure(bad: list[Body], current: Iterable[Body]) -> Ending:
    """The platform shows a job's run with a failed task as INTERNAL_ERROR with the result FAILED."""
    text = " ".join(f"Task {each['task_key']} failed with message: {each['message'].rstrip('.')}." for each in bad)
    if any(each["result"].startswith("UPSTREAM_") for each in current):
        text += " This caused all downstream tasks to get skipped."
    first = bad[0] if bad else {"code": "RUN_EXECUTION_ERROR", "kind": "CLIENT_ERROR"}
    return Ending("FAILED", text, first["code"], first["kind"], "INTERNAL_ERROR")
