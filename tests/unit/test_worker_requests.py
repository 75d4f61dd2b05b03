"""What the worker does when asked: plans held and applied in parts, log lines in files, journals of what it wrote."""

from __future__ import annotations

import json
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops_tui import operations, worker_service
from mlops_tui.clouds.cloud import AZURE, Cloud
from mlops_tui.errors import CloudError, UsageError
from mlops_tui.events import LogLine, RunState
from mlops_tui.project import Project
from mlops_tui.session import Prompt, Session
from mlops_tui.spool import log_file
from mlops_tui.steps import Emit
from tests.unit.test_engine import Paper, nothing, refuse
from tests.unit.worker_stories import Out, ends, events, line, paper, problems, serve_all, served

RUN = "alpha=0.5,l1_ratio=0.5"


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(worker_service, "open_session", paper)
    monkeypatch.setenv("MLOPS_TUI_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> dict[str, Paper]:
    """A cloud of three things, none of which is there: a group, a workspace in it, and a lake beside it."""
    there: set[str] = set()
    steps = (Paper("group", there), Paper("workspace", there, ("group",)), Paper("lake", there))
    monkeypatch.setattr("mlops_tui.setup.steps", lambda _: steps)
    return {step.name: step for step in steps}


def applied(cloud: dict[str, Paper]) -> list[str]:
    return [name for name, step in cloud.items() if name in step.there]


def journals(home: Path) -> list[str]:
    return sorted(file.name.split("-")[2] for file in home.glob("journal/*.jsonl"))


def test_a_plan_is_applied_in_parts(cloud: dict[str, Paper]) -> None:
    messages = served(
        line("p", "plan"),
        line("1", "apply", plan="p", steps=["group"]),
        line("2", "apply", plan="p"),
        line("3", "apply", plan="p"),
    )
    assert ends(messages) == [("p", 0), ("1", 0), ("2", 0), ("3", 0)]
    done = {
        request: [each["step"] for each in events(messages, request, "step_state") if each["state"] == "done"]
        for request in "123"
    }
    assert done["1"] == ["group"]
    assert sorted(done["2"]) == ["lake", "workspace"]
    assert done["3"] == []
    assert [step.applied for step in cloud.values()] == [1, 1, 1]
    summaries = [events(messages, request, "command_finished")[0]["summary"] for request in "123"]
    assert summaries == ["2 changes of the plan are left.", "Everything is set up.", "Nothing to do."]


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"plan": "p", "steps": ["workspace"]}, "workspace needs group, not applied yet"),
        ({"plan": "p", "steps": ["group", "dance"]}, "there is no step 'dance'"),
        ({"plan": "p", "steps": []}, "not a list of names"),
        ({"plan": "p", "steps": "group"}, "not a list of names"),
        ({"plan": "p", "steps": [5]}, "not a list of names"),
        ({"plan": "q"}, "no plan 'q'"),
        ({}, "no plan ''"),
    ],
)
def test_what_cannot_be_applied_is_refused_before_anything_changes(
    cloud: dict[str, Paper], asked: dict[str, object], told: str
) -> None:
    messages = served(line("p", "plan"), line("1", "apply", **asked))
    assert ends(messages) == [("p", 0), ("1", 2)]
    (problem,) = problems(messages)
    assert told in problem["message"] + problem["raw"]
    assert applied(cloud) == []


def test_only_the_last_plan_can_be_applied(cloud: dict[str, Paper]) -> None:
    messages = served(line("p", "plan"), line("q", "plan"), line("1", "apply", plan="p"), line("2", "apply", plan="q"))
    assert ends(messages)[2:] == [("1", 2), ("2", 0)]
    assert len(applied(cloud)) == 3


@pytest.mark.parametrize("do", ["setup", "teardown"])
def test_what_changes_everything_outdates_the_plan(cloud: dict[str, Paper], do: str) -> None:
    messages = served(line("p", "plan"), line("1", do), line("2", "apply", plan="p"))
    assert ends(messages) == [("p", 0), ("1", 0), ("2", 2)]


def test_a_plan_that_could_not_be_made_cannot_be_applied(cloud: dict[str, Paper]) -> None:
    cloud["group"].on_inspect = refuse(CloudError("no answer"))
    assert ends(served(line("p", "plan"), line("1", "apply", plan="p"))) == [("p", 1), ("1", 2)]


def test_what_failed_is_tried_again_by_the_same_request(cloud: dict[str, Paper]) -> None:
    tries: list[str] = []

    def fail_once(_: Session) -> None:
        tries.append("group")
        if len(tries) == 1:
            raise CloudError("no room")

    cloud["group"].on_apply = fail_once
    messages = served(line("p", "plan"), line("1", "apply", plan="p"), line("2", "apply", plan="p"))
    assert ends(messages)[1:] == [("1", 1), ("2", 0)]
    assert len(applied(cloud)) == 3
    assert cloud["lake"].applied == 1


def test_one_plan_is_not_applied_twice_at_once(cloud: dict[str, Paper]) -> None:
    begun, refused = threading.Event(), threading.Event()
    out = Out()

    def slowly(_: Session) -> None:
        begun.set()
        assert refused.wait(10)

    def lines() -> Iterator[str]:
        yield line("p", "plan")
        out.ended(1)
        yield line("1", "apply", plan="p")
        assert begun.wait(10)
        yield line("2", "apply", plan="p", steps=["lake"])
        out.ended(2)
        refused.set()
        out.ended(3)

    cloud["group"].on_apply = slowly
    messages = serve_all(lines(), out)
    assert ends(messages) == [("p", 0), ("2", 2), ("1", 0)]
    assert "being applied already" in problems(messages)[0]["message"]
    assert cloud["lake"].applied == 1


def test_a_cancelled_apply_leaves_the_rest_for_the_next(cloud: dict[str, Paper]) -> None:
    cloud["group"].on_apply = lambda session: session.cancelled.set()
    cloud["lake"].on_apply = nothing
    messages = served(line("p", "plan"), line("1", "apply", plan="p"), line("2", "apply", plan="p"))
    assert ends(messages)[1:] == [("1", 130), ("2", 0)]
    assert [step.applied for step in cloud.values()] == [1, 1, 1]


def test_what_writes_keeps_a_journal_and_what_reads_does_not(
    cloud: dict[str, Paper], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations, "list_runs", lambda *_: "")
    messages = served(
        line("p", "plan"),
        line("1", "apply", plan="p", steps=["group"]),
        line("2", "apply", plan="p"),
        line("3", "runs"),
        line("4", "teardown"),
    )
    assert {code for _, code in ends(messages)} == {0}
    assert journals(home) == ["apply", "apply", "teardown"]
    for file in home.glob("journal/*.jsonl"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        kept = [json.loads(text)["type"] for text in file.read_text().splitlines()]
        assert (kept[0], kept[-1]) == ("command_started", "command_finished")
        assert "step_state" in kept


def test_a_journal_that_cannot_be_written_any_more_is_told_and_the_work_goes_on(
    cloud: dict[str, Paper], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mlops_tui.journal.Journal.write", full)
    messages = served(line("1", "setup"))
    assert ends(messages) == [("1", 0)]
    warnings = [each for each in events(messages, "1", "log_line") if each["source"] == "journal"]
    assert [each["level"] for each in warnings] == ["warning"]


def talkative(session: Session, emit: Emit, *_: object) -> str:
    emit(RunState(run=RUN, state="running"))
    for number in range(2_000):
        emit(LogLine(source=RUN, text=f"epoch {number}"))
    emit(LogLine(source="cluster", text="the cluster is up"))
    emit(LogLine(source="sign-in", text="enter the code"))
    emit(RunState(run=RUN, state="succeeded"))
    return ""


@pytest.mark.parametrize(("do", "name"), [("train", "train"), ("log", "read_log")])
def test_log_lines_of_runs_go_into_files_and_the_pipe_carries_states(
    do: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations, name, talkative)
    lengths: list[int] = []

    class Counting(Out):
        def write(self, text: str) -> int:
            if "exit_code" in json.loads(text):
                lengths.append(len(log_file(tmp_path / "logs", RUN).read_text().splitlines()))
            return super().write(text)

    out = Counting()

    def lines() -> Iterator[str]:
        yield line("1", do, logs=str(tmp_path / "logs"))
        out.ended(1)

    messages = serve_all(lines(), out)
    assert ends(messages) == [("1", 0)]
    assert lengths == [2_000], "they are there when the request ends"
    assert [each["text"] for each in events(messages, "1", "log_line")] == ["enter the code"]
    assert [each["state"] for each in events(messages, "1", "run_state")] == ["running", "succeeded"]
    assert log_file(tmp_path / "logs").read_text().splitlines()[-1] == "i cluster │ the cluster is up"


def test_without_a_folder_log_lines_go_through_the_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "train", talkative)
    assert len(events(served(line("1", "train")), "1", "log_line")) == 2_002


def test_a_folder_that_cannot_be_written_is_refused_before_anything_is_launched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    launched: list[object] = []
    monkeypatch.setattr(operations, "train", lambda *given: launched.append(given))
    (tmp_path / "file").write_text("")
    messages = served(line("1", "train", logs=str(tmp_path / "file" / "logs")))
    assert ends(messages) == [("1", 2)]
    assert "cannot be written" in problems(messages)[0]["message"]
    assert launched == []


def test_a_full_disk_is_told_once_and_the_training_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(operations, "train", talkative)
    monkeypatch.setattr("mlops_tui.spool.Spool._put", full)
    messages = served(line("1", "train", logs=str(tmp_path / "logs")))
    assert ends(messages) == [("1", 0)]
    (warning,) = [each for each in events(messages, "1", "log_line") if each["source"] == "logs"]
    assert (warning["level"], "No space left" in warning["text"]) == ("warning", True)


def test_what_signing_in_takes_belongs_to_no_request(monkeypatch: pytest.MonkeyPatch) -> None:
    class Asking:
        def __init__(self, project: Project, cloud: Cloud, prompt: Prompt) -> None:
            prompt("open the page and enter ABC-DEF")

        def close(self) -> None:
            """Nothing is open."""

    def look(session: Session, *_: object) -> str:
        assert session.clients is not None
        return ""

    monkeypatch.setattr("mlops_tui.clouds.clients.Clients", Asking)
    monkeypatch.setattr(operations, "list_runs", look)
    messages = served(line("1", "runs"), line("2", "runs"))
    assert ends(messages) == [("1", 0), ("2", 0)]
    (told,) = events(messages, "", "log_line")
    assert (told["source"], told["text"]) == ("sign-in", "open the page and enter ABC-DEF")
    assert events(messages, "1", "log_line") == []


@pytest.mark.parametrize("do", ["runs", "job_runs"])
def test_a_number_that_is_none_is_refused(do: str) -> None:
    assert ends(served(line("1", do, limit="many"))) == [("1", 2)]


def test_settings_that_are_no_table_are_refused() -> None:
    assert ends(served(line("1", "save_settings", values=["location"]))) == [("1", 2)]


def test_a_plan_is_applied_to_the_project_that_was_planned(
    cloud: dict[str, Paper], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever has become of the settings since: the plan on show is what was agreed to."""
    seen: list[str] = []
    cloud["lake"].on_apply = lambda session: seen.append(session.project.location)
    monkeypatch.setattr(worker_service, "open_session", lambda *_: Session(Project(location="northeurope"), AZURE))
    out = Out()

    def lines() -> Iterator[str]:
        yield line("p", "plan")
        out.ended(1)
        monkeypatch.setattr(worker_service, "open_session", refuse_to_open)
        yield line("1", "apply", plan="p", flags={"location": "westeurope"})
        out.ended(2)

    def refuse_to_open(*_: object) -> Session:
        raise UsageError("these settings cannot be used")

    assert ends(serve_all(lines(), out)) == [("p", 0), ("1", 0)]
    assert seen == ["northeurope"]
