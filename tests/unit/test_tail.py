"""Following a sweep: states, logs and metrics side by side, over lost connections."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from mlops_tui import training
from mlops_tui.clouds.databricks_clusters import Happening
from mlops_tui.clouds.databricks_experiments import TrackedRun
from mlops_tui.clouds.databricks_runs import RunInfo, RunOutput
from mlops_tui.errors import ForbiddenError, GateMissedError, Interrupted, RunFailedError, UnreachableError
from mlops_tui.events import Event, LogLine, MetricsRead, Problem, RunsCompared, RunState
from mlops_tui.following import outage
from mlops_tui.project import Project
from mlops_tui.session import Session
from mlops_tui.training import segments, tail
from mlops_tui.training.builds import Build, build_of
from mlops_tui.training.sweep import launch, named

RUNS = ({"alpha": 0.5, "l1_ratio": 0.5}, {"alpha": 0.1, "l1_ratio": 0.1})
A, B = "alpha=0.5,l1_ratio=0.5", "alpha=0.1,l1_ratio=0.1"


@dataclass
class FakeWorkspace:
    """Plays a sweep look by look: each call to runs.get is the next frame."""

    frames: list[dict[str, str]]  # status by run name; the job has ended with the last frame
    logs: dict[str, list[bytes]] = field(default_factory=dict)  # a segment a frame
    rmse: dict[str, float] = field(default_factory=dict)
    unreachable: int = 0  # how many looks fail
    host: str = "https://adb-1.2.azuredatabricks.net"
    frame: int = -1
    launched: list[tuple[dict[str, str], str]] = field(default_factory=list)
    cancelled: list[int] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.runs = self.files = self.experiments = self.clusters = self.jobs = self

    def run_now(self, job_id: int, parameters: dict[str, str], idempotency_token: str) -> int:
        assert len(idempotency_token) <= 64
        self.launched.append((parameters, idempotency_token))
        return 17

    def active(self, job_id: int) -> tuple[RunInfo, ...]:
        return ()

    def get(self, run_id: int | str) -> Any:
        if isinstance(run_id, str):
            return self._tracked(run_id)
        with self.lock:
            if self.frame >= 0 and self.unreachable:
                self.unreachable -= 1
                raise UnreachableError("Nobody answers.")
            self.frame = min(self.frame + 1, len(self.frames) - 1)
        done = self.frame == len(self.frames) - 1
        return RunInfo(17, "job", "succeeded" if done else "running", "", "https://run/17", None, (18,))

    def iterations(self, task_run_id: int) -> tuple[RunInfo, ...]:
        now = self.frames[self.frame]
        return tuple(
            RunInfo(index, name, cast("Any", status), f"it {status}", f"https://run/{name}", 1.5)
            for index, (name, status) in enumerate(now.items(), 100)
        )

    def output(self, run_id: int) -> RunOutput:
        name = list(self.frames[-1])[run_id - 100]
        if self.frames[-1][name] == "failed":
            return RunOutput("", "ValueError: no", "Traceback\nValueError: no")
        return RunOutput(f'{{"run_id": "tracked {name}"}}', "", "")

    def list(self, folder: str) -> dict[str, int]:
        segments = self.logs.get(folder.rpartition("/")[2], [])[: self.frame + 1]
        sizes = {f"{number:06d}.log": len(data) for number, data in enumerate(segments)}
        status = self.frames[self.frame].get(folder.rpartition("/")[2])
        return sizes | ({"_END": 7} if status == "succeeded" else {})

    def read(self, path: str, offset: int = 0) -> bytes:
        _, name, segment = path.rsplit("/", 2)
        return self.logs[name][int(segment[:6])][offset:]

    def events(self, cluster_id: str, since: int = 0) -> Sequence[Happening]:
        return [Happening(since + 1, "STARTING", "is starting")]

    def _tracked(self, run_id: str) -> TrackedRun:
        name = run_id.removeprefix("tracked ")
        figures = {"rmse": self.rmse[name], "mae": 0.5, "r2": 0.3} if name in self.rmse else {}
        return TrackedRun(run_id, "1", name, "FINISHED", {}, figures, {"build_number": "7"}, 0.0, 1.0)

    def __call__(self, host: str) -> FakeWorkspace:
        return self


class FakeExperiments:
    def __init__(self, workspace: FakeWorkspace) -> None:
        self._workspace = workspace

    def runs(self, experiment: str, tags: dict[str, str], limit: int = 200) -> tuple[TrackedRun, ...]:
        assert tags == {"build_number": "7"}
        return tuple(self._workspace._tracked(f"tracked {name}") for name in self._workspace.rmse)

    def get(self, run_id: str) -> TrackedRun:
        return self._workspace._tracked(run_id)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "QUICK", 0.005)
    monkeypatch.setattr(tail, "SLOW", 0.01)
    monkeypatch.setattr(tail, "METRICS_EVERY", 0.0)


def session_on(workspace: FakeWorkspace) -> Session:
    session = Session(Project(), cast("Any", SimpleNamespace(name="fake")))
    workspace.experiments = cast("Any", FakeExperiments(workspace))
    session._clients = cast("Any", SimpleNamespace(databricks=workspace, close=lambda: None))
    for name, value in (("databricks_host", workspace.host), ("train_job_id", "3"), ("cluster_id", "c")):
        session.learn(name, value)
    return session


def trained(workspace: FakeWorkspace) -> tuple[list[Event], RunsCompared]:
    events: list[Event] = []
    compared = training.train(session_on(workspace), Build("7", "test"), RUNS, events.append)
    assert compared is not None
    return events, compared


def test_logs_states_and_metrics_come_as_they_happen() -> None:
    workspace = FakeWorkspace(
        [
            {},
            {A: "pending"},
            {A: "running", B: "running"},
            {A: "succeeded", B: "running"},
            {A: "succeeded", B: "succeeded"},
        ],
        {A: [b"", b"", b"a1\na2\n"], B: [b"", b"", b"b1\n", b"b2\n"]},
        {A: 0.79, B: 0.71},
    )
    events, compared = trained(workspace)
    lines = [(event.source, event.text) for event in events if isinstance(event, LogLine)]
    assert [text for source, text in lines if source == A] == ["a1", "a2"]
    assert [text for source, text in lines if source == B] == ["b1", "b2"]
    assert ("cluster", "the cluster is starting") in lines
    states = [(event.run, event.state) for event in events if isinstance(event, RunState)]
    assert [state for run, state in states if run == A] == ["pending", "pending", "running", "succeeded"]
    measured = {event.run: event.metrics for event in events if isinstance(event, MetricsRead)}
    assert measured == {A: {"rmse": 0.79, "mae": 0.5, "r2": 0.3}, B: {"rmse": 0.71, "mae": 0.5, "r2": 0.3}}
    assert compared.best == B
    assert [result.seconds for result in compared.results] == [1.5, 1.5]
    assert events[-1] == compared


def test_a_lost_connection_is_ridden_out_and_nothing_is_lost() -> None:
    frames = [{A: "running", B: "running"}] * 4 + [{A: "succeeded", B: "succeeded"}]
    logs = {A: [f"a{n}\n".encode() for n in range(5)], B: [f"b{n}\n".encode() for n in range(5)]}
    events, _ = trained(FakeWorkspace(frames, logs, {A: 0.7, B: 0.7}, unreachable=5))
    lines = [event.text for event in events if isinstance(event, LogLine) and event.source == A]
    assert lines == [f"a{n}" for n in range(5)]
    told = [event.text for event in events if isinstance(event, LogLine) and event.source == "train"]
    assert any("Trying again" in text for text in told)
    assert told[-1] == "the connection is back"


def test_a_connection_that_stays_lost_ends_with_the_way_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outage, "LOST_SECONDS", 0.1)
    with pytest.raises(UnreachableError) as caught:
        trained(FakeWorkspace([{A: "running"}] * 3, unreachable=10**6))
    assert caught.value.exit_code == 1
    assert "mlops-tui logs 17 --follow" in caught.value.hint
    assert "https://run/17" in caught.value.hint


def test_on_this_machine_a_connection_that_stays_lost_means_a_stopped_practice_cloud(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(outage, "LOST_LOCAL_SECONDS", 0.1)
    with pytest.raises(UnreachableError, match="not answered") as caught:
        trained(FakeWorkspace([{A: "running"}] * 3, unreachable=10**6, host="https://localhost:8443"))
    assert "practice cloud has stopped" in caught.value.hint
    assert "--follow" in caught.value.hint, "what would follow this very run again"


def test_who_may_not_look_at_the_cluster_follows_the_runs_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = FakeWorkspace([{}, {}, {A: "succeeded", B: "succeeded"}], rmse={A: 0.7, B: 0.7})

    def refuse(cluster_id: str, since: int = 0) -> None:
        raise ForbiddenError("Not yours.")

    monkeypatch.setattr(workspace, "events", refuse)
    _, compared = trained(workspace)
    assert compared.passed


def test_a_run_that_raises_fails_the_command_and_says_why_after_the_table() -> None:
    events: list[Event] = []
    workspace = FakeWorkspace([{A: "running"}, {A: "succeeded", B: "failed"}], rmse={A: 0.7})
    with pytest.raises(RunFailedError, match=B) as caught:
        training.train(session_on(workspace), Build("7", "test"), RUNS, events.append)
    assert isinstance(events[-1], RunsCompared)
    assert [result.status for result in events[-1].results] == ["succeeded", "failed"]
    assert events[-1].best == A
    assert caught.value.link == f"https://run/{B}"
    errors = [event.text for event in events if isinstance(event, LogLine) and event.level == "error"]
    assert errors == ["Traceback", "ValueError: no"]
    assert not any(isinstance(event, Problem) for event in events)


def test_a_run_that_somebody_has_ended_is_told_as_such_and_not_as_a_fault_to_mend() -> None:
    with pytest.raises(RunFailedError, match=r"\(canceled\)") as caught:
        trained(FakeWorkspace([{A: "running"}, {A: "succeeded", B: "canceled"}], rmse={A: 0.7}))
    assert "Cancelled before the end" in caught.value.hint


def test_a_log_that_is_far_behind_is_caught_up_with_without_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "QUICK", 30.0)  # any pause would be noticed
    monkeypatch.setattr(segments, "PER_LOOK", 2)
    past = [f"a{number}\n".encode() for number in range(9)]
    workspace = FakeWorkspace([{A: "running", B: "running"}] * 9 + [{A: "succeeded", B: "succeeded"}])
    monkeypatch.setattr(workspace, "list", lambda folder: dict.fromkeys(names_of(past), 3) if A in folder else {})
    monkeypatch.setattr(workspace, "read", lambda path, offset=0: past[int(path[-10:-4])][offset:])
    session = session_on(workspace)
    lines: list[str] = []

    def show(event: Event) -> None:
        if isinstance(event, LogLine) and event.source == A:
            lines.append(event.text)
            if len(lines) == len(past):
                session.cancelled.set()

    follower = tail.Follower(session, cast("Any", workspace), launch(session, Build("7", "test"), RUNS, show), show)
    too_long = threading.Timer(5.0, session.cancelled.set)
    too_long.start()
    with pytest.raises(Interrupted):
        follower.follow()
    too_long.cancel()
    assert lines == [f"a{number}" for number in range(9)]


def names_of(past: list[bytes]) -> list[str]:
    return [f"{number:06d}.log" for number in range(len(past))]


def test_a_run_that_never_began_is_a_failed_one() -> None:
    with pytest.raises(RunFailedError, match=B):
        trained(FakeWorkspace([{A: "running"}, {A: "succeeded"}], rmse={A: 0.7}))


def test_the_gate_missed_is_an_error_of_its_own() -> None:
    with pytest.raises(GateMissedError, match=r"rmse < 0\.8") as caught:
        trained(FakeWorkspace([{A: "succeeded", B: "succeeded"}], rmse={A: 0.9, B: 0.85}))
    assert caught.value.exit_code == 1


def test_ctrl_c_leaves_the_runs_going_and_says_how_to_come_back() -> None:
    workspace = FakeWorkspace([{A: "running", B: "running"}] * 1000)
    session = session_on(workspace)
    threading.Timer(0.1, session.cancelled.set).start()
    with pytest.raises(Interrupted) as caught:
        training.train(session, Build("7", "test"), RUNS, lambda _: None)
    assert caught.value.exit_code == 130
    assert "mlops-tui logs 17 --follow" in caught.value.hint
    assert workspace.cancelled == []


def test_the_same_build_asks_with_the_same_token_and_another_build_with_another() -> None:
    workspace = FakeWorkspace([{A: "succeeded", B: "succeeded"}])
    session = session_on(workspace)
    for number in ("7", "7", "8"):
        workspace.frame = -1
        launch(session, Build(number, "test"), RUNS, lambda _: None)
    tokens = [token for _, token in workspace.launched]
    assert tokens[0] == tokens[1] != tokens[2]
    parameters = workspace.launched[0][0]
    assert (
        parameters["runs"]
        == f'[{{"name":"{A}","alpha":"0.5","l1_ratio":"0.5"}},{{"name":"{B}","alpha":"0.1","l1_ratio":"0.1"}}]'
    )
    assert parameters["build_number"] == "7"


def test_a_failed_attempt_of_the_same_build_is_launched_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = FakeWorkspace([{A: "running"}])
    given: Any = iter(["failed", "canceled", "running"])
    monkeypatch.setattr(
        workspace, "get", lambda run_id: replace(RunInfo(17, "", "failed", "", "", None), status=next(given))
    )
    launch(session_on(workspace), Build("7", "test"), RUNS, lambda _: None)
    assert len({token for _, token in workspace.launched}) == 3


def test_two_runs_alike_have_names_of_their_own() -> None:
    same = {"alpha": 0.5, "l1_ratio": 0.5}
    assert list(named((same, same, same))) == [A, f"{A},again=2", f"{A},again=3"]


def test_a_build_is_the_ci_hosts_or_a_new_one() -> None:
    assert build_of({"BUILD_BUILDNUMBER": "20261122.3"}) == Build("20261122.3", "AzureDevOps")
    assert build_of({"GITHUB_RUN_NUMBER": "12", "GITHUB_RUN_ATTEMPT": "1"}) == Build("12", "GitHub")
    assert build_of({"GITHUB_RUN_NUMBER": "12", "GITHUB_RUN_ATTEMPT": "2"}) == Build("12.2", "GitHub")
    assert build_of({"GITHUB_RUN_NUMBER": "12"}, "9") == Build("9", "manual")
    assert build_of({}).number != build_of({}).number
    assert build_of({}).source == "local"


def test_who_comes_back_to_a_run_is_told_how_long_it_has_been_at_work(monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = FakeWorkspace(
        [{}, {A: "pending"}, {A: "running", B: "running"}, {A: "succeeded", B: "succeeded"}],
        rmse={A: 0.79, B: 0.71},
    )
    look = workspace.iterations
    monkeypatch.setattr(
        workspace, "iterations", lambda run_id: tuple(replace(run, started=time.time() - 300) for run in look(run_id))
    )
    seen, _ = trained(workspace)
    running = [event.seconds for event in seen if isinstance(event, RunState) and event.state == "running"]
    assert running
    assert all(300 <= (seconds or 0) < 310 for seconds in running)
    assert {event.seconds for event in seen if isinstance(event, RunState) and event.state == "pending"} == {None}
