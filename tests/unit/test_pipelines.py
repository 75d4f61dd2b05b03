"""Following a run of the pipeline: parts, logs and approvals as they come, over lost connections."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace

import pytest

from mlops_tui import pipeline_operations as operations
from mlops_tui.clouds.ci_host import RunOrder
from mlops_tui.clouds.directory import Application, FederatedCredential
from mlops_tui.errors import (
    ForbiddenError,
    Interrupted,
    MlopsError,
    NotFoundError,
    RunFailedError,
    UnreachableError,
    UsageError,
)
from mlops_tui.events import (
    Event,
    Identified,
    LogLine,
    PipelineApproval,
    PipelineApprovalAsked,
    PipelineApproved,
    PipelinePartState,
    PipelineRunsListed,
    PipelineRunState,
    PipelineState,
)
from mlops_tui.following import outage
from mlops_tui.following.looks import Pace
from mlops_tui.pipelines import follow
from mlops_tui.pipelines.approval import Consent
from mlops_tui.pipelines.launch import order_of
from mlops_tui.project import Project
from mlops_tui.project_parts import Ci
from tests.unit.pipeline_host import ASKED, PAGE, RUN, FakeHost, Frame

States = dict[str, PipelineState]
TRAINED: States = {"s1": "succeeded", "j1": "succeeded", "t1": "succeeded", "t2": "succeeded"}
PLAY: tuple[Frame, ...] = (
    Frame("queued"),
    Frame(parts={"s1": "running", "j1": "running", "t1": "succeeded"}, lines={"t1": ["cloned"]}),
    Frame(parts={"t2": "running"}, lines={"t2": ["a", "b"]}),
    Frame(lines={"t2": ["c"]}),
    Frame("waiting", {**TRAINED, "s2": "waiting"}, {"t2": ["d"]}, waits=ASKED),
    Frame(parts={"s2": "running", "j2": "running", "t3": "running"}, lines={"t3": ["x"]}),
    Frame("succeeded", {"s2": "succeeded", "j2": "succeeded", "t3": "succeeded"}, {"t3": ["y"]}),
)
pytestmark = pytest.mark.timeout(20)
ORDER = RunOrder("main")
YES = Consent(given=True)
UNTRUSTED = "AADSTS700213: No matching federated identity record found for presented subject 'x'."


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "PACE", Pace(0.002, 0.004))


def told_by(host: FakeHost, consent: Consent | None = None) -> list[Event]:
    events: list[Event] = []
    assert operations.run(host.session(), events.append, ORDER, True, consent) == (
        "Run 17 (build 20261128.1) has succeeded."
    )
    return events


def failed(host: FakeHost, kind: type[MlopsError], consent: Consent | None = None) -> tuple[MlopsError, list[Event]]:
    events: list[Event] = []
    with pytest.raises(kind) as caught:
        operations.run(host.session(), events.append, ORDER, True, consent)
    return caught.value, events


def lines(events: Sequence[Event]) -> list[tuple[str, str]]:
    return [(event.source, event.text) for event in events if isinstance(event, LogLine)]


def of_run(events: Sequence[Event]) -> list[tuple[str, str]]:
    """Log lines but our own."""
    return [(source, text) for source, text in lines(events) if source != "pipeline"]


def short(event: Event) -> str:
    match event:
        case PipelineRunState():
            return f"run {event.run.state}"
        case PipelinePartState():
            return f"{event.part.id} {event.part.state}"
        case LogLine():
            return event.text
        case _:
            return event.type


LINES = [
    ("Train · Checkout", "cloned"),
    *(("Train · mlops-tui train", text) for text in "abcd"),
    ("Production · mlops-tui deploy production", "x"),
    ("Production · mlops-tui deploy production", "y"),
]


def test_everything_is_told_once_and_in_an_order_that_can_be_read() -> None:
    events = told_by(FakeHost(PLAY), YES)
    assert events[0] == Identified(what="pipeline run", id="17", url=PAGE)
    told = [
        short(event) for event in events if not (isinstance(event, PipelinePartState) and event.part.state == "queued")
    ]
    assert told == [
        "identified",
        "run queued",
        "run running",
        *("s1 running", "j1 running", "cloned", "t1 succeeded"),
        *("t2 running", "a", "b", "c"),
        *("run waiting", "s2 waiting", "d", "t2 succeeded", "j1 succeeded", "s1 succeeded"),
        *("pipeline_approval_asked", "pipeline_approved"),
        *("run running", "s2 running", "j2 running", "t3 running", "x"),
        *("y", "t3 succeeded", "j2 succeeded", "s2 succeeded", "run succeeded"),
    ]
    assert of_run(events) == LINES
    orders = {event.part.id: event.order for event in events if isinstance(event, PipelinePartState)}
    assert orders == {"s1": 0, "j1": 1, "t1": 2, "t2": 3, "s2": 4, "j2": 5, "t3": 6}


@pytest.mark.parametrize("call", ["run", "parts", "log t1", "log t2", "log t3", "approvals", "approve"])
def test_a_lost_answer_loses_and_doubles_nothing(call: str) -> None:
    host = FakeHost(PLAY)
    host.elsewhere = lambda one: one.lost.add(call) if one.frame in (1, 3, 5) else None
    events = told_by(host, YES)
    assert of_run(events) == LINES
    whole = [short(event) for event in told_by(FakeHost(PLAY), YES)]
    assert sorted(short(event) for event in events if not isinstance(event, LogLine)) == sorted(
        text for text in whole if text not in [line for _, line in LINES]
    )
    assert host.approved == [("a1", "")]


def test_an_outage_is_told_and_ridden_out_and_one_that_stays_ends_with_the_way_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    host = FakeHost(PLAY)
    host.elsewhere = lambda one: one.lost.add("run") if one.frame == 2 else None
    ours = [text for source, text in lines(told_by(host, YES)) if source == "pipeline"]
    assert ours[0].startswith("Nobody answers. Trying again")
    assert ours[-1] == "the connection is back"
    monkeypatch.setattr(outage, "LOST_SECONDS", 0.02)
    host = FakeHost(PLAY)
    host.elsewhere = lambda one: setattr(one, "gone", one.frame == 2)
    error, _ = failed(host, UnreachableError)
    assert error.message.startswith("Azure DevOps has not answered for")
    assert "mlops-tui ci logs 17 --follow" in error.hint
    assert PAGE in error.hint


def test_who_interrupts_leaves_it_going_and_is_told_how_to_come_back() -> None:
    host = FakeHost(PLAY)
    session = host.session()
    host.elsewhere = lambda one: session.cancelled.set() if one.frame == 2 else None
    with pytest.raises(Interrupted) as left:
        operations.run(session, lambda _: None, ORDER, follow=True)
    assert left.value.exit_code == 130
    assert left.value.link == PAGE
    assert "`mlops-tui ci logs 17 --follow`" in left.value.hint
    assert "`mlops-tui ci cancel 17`" in left.value.hint
    assert not host.cancelled


def test_a_failure_names_the_stage_the_step_its_errors_and_the_page() -> None:
    ends: States = {"t2": "failed", "j1": "failed", "s1": "failed", "t1": "succeeded", "s2": "skipped"}
    host = FakeHost(
        (*PLAY[:3], Frame("failed", ends, {"t2": ["Error: no"]})),
        details={"t2": "The gate rmse < 0.6 is missed.\nExit code 1", "j1": "Exit code 1"},
    )
    error, events = failed(host, RunFailedError)
    assert error.message == "Run 17 (build 20261128.1) has failed in Train · mlops-tui train."
    assert error.raw.splitlines()[0] == "The gate rmse < 0.6 is missed."
    assert error.link == PAGE
    assert error.exit_code == 1
    assert short(events[-1]) == "run failed"
    assert events[0] == Identified(what="pipeline run", id="17", url=PAGE)


def test_where_the_host_names_no_error_the_last_lines_of_the_step_do() -> None:
    ends: States = {"t2": "failed", "j1": "failed", "s1": "failed"}
    host = FakeHost((*PLAY[:3], Frame("failed", ends, {"t2": ["##[error]The gate is missed.", "bye"]})))
    error, events = failed(host, RunFailedError)
    assert error.raw == "The gate is missed."
    assert [event.text for event in events if isinstance(event, LogLine) and event.level == "error"] == [
        "##[error]The gate is missed."
    ]
    host = FakeHost((*PLAY[:3], Frame("failed", ends, {"t2": ["Error: no"]})))
    assert failed(host, RunFailedError)[0].raw.splitlines() == ["a", "b", "Error: no"]


def test_a_log_of_a_job_is_read_where_its_steps_have_none() -> None:
    job = FakeHost((Frame("succeeded", {"j1": "succeeded"}, {"j1": ["all of it"]}),))
    assert of_run(told_by(job)) == [("Train", "all of it")]
    both = FakeHost((Frame("succeeded", {"j1": "succeeded"}, {"j1": ["x", "y"], "t1": ["x"], "t2": ["y"]}),))
    assert of_run(told_by(both)) == [("Train · Checkout", "x"), ("Train · mlops-tui train", "y")]


@pytest.mark.parametrize(
    ("detail", "hint"),
    [
        ("No hosted parallelism has been purchased or granted.", "aka.ms/azpipelines-parallelism-request"),
        (UNTRUSTED, "mlops-tui setup"),
        ("Something else.", "Its log says more"),
    ],
)
def test_a_failure_before_any_step_is_told_with_what_helps(detail: str, hint: str) -> None:
    host = FakeHost((Frame("failed", {"s1": "failed"}),), details={"17": detail}, directory=Directory())
    error, _ = failed(host, RunFailedError)
    assert error.message == "Run 17 (build 20261128.1) has failed in Train."
    assert error.raw == detail
    assert hint in error.hint


class Directory:
    """Of Azure, with what one application trusts."""

    def __init__(self, *trusted: FederatedCredential, there: bool = True, refuses: MlopsError | None = None) -> None:
        self._trusted, self._there, self._refuses = trusted, there, refuses

    def find_application(self, name: str) -> Application | None:
        if self._refuses:
            raise self._refuses
        return Application("object", "app", name) if self._there else None

    def list_federated_credentials(self, object_id: str) -> tuple[FederatedCredential, ...]:
        return self._trusted


def test_a_run_that_azure_does_not_trust_is_told_with_whom_it_expected() -> None:
    ours = FederatedCredential("mlops-tui-wine-quality-azure-devops", "issuer", "sc://contoso/other")
    others = FederatedCredential("mlops-tui-cheese-azure-devops", "issuer", "sc://contoso/cheese")
    for directory, words in (
        (
            Directory(ours, others),
            "Expected, which is what the application MLOps-Databricks trusts: sc://contoso/other.",
        ),
        (Directory(others), "Expected: nothing; the application MLOps-Databricks trusts no job of this pipeline."),
        (Directory(there=False), "There is no application MLOps-Databricks any more."),
    ):
        host = FakeHost((Frame("failed", {"s1": "failed"}),), details={"17": UNTRUSTED}, directory=directory)
        error, events = failed(host, RunFailedError)
        assert error.hint.startswith(f"{words} `mlops-tui setup` compares")
        assert short(events[-1]) == "run failed"


def test_whoever_may_not_look_into_the_directory_is_told_how_the_run_failed_all_the_same() -> None:
    directory = Directory(refuses=ForbiddenError("Not allowed: the application."))
    host = FakeHost((Frame("failed", {"s1": "failed"}),), details={"17": UNTRUSTED}, directory=directory)
    error, events = failed(host, RunFailedError)
    assert error.raw == UNTRUSTED
    assert events[-1] == LogLine(
        source="pipeline",
        text="what the application trusts could not be looked at: Not allowed: the application.",
        level="warning",
    )


def test_a_run_that_somebody_cancels_is_told_as_cancelled() -> None:
    host = FakeHost(PLAY)
    host.elsewhere = lambda one: one.cancel("17") if one.frame == 2 else None
    error, events = failed(host, RunFailedError)
    assert "cancelled" in error.message
    assert short(events[-1]) == "run canceled"


def test_a_log_that_the_host_has_late_is_waited_for() -> None:
    host = FakeHost((Frame(parts={"t1": "running"}), Frame("succeeded", TRAINED, {"t1": ["late"]})), late=2)
    assert of_run(told_by(host)) == [("Train · Checkout", "late")]
    assert len([call for call in host.asked_for if call[1] == "t2"]) <= 3, "not for ever"


# Approvals


def test_without_anybody_here_it_waits_until_somebody_says_yes_elsewhere() -> None:
    host = FakeHost(PLAY)
    looks: list[int] = []

    def approve_later(one: FakeHost) -> None:
        looks.append(one.frame)
        if looks.count(4) == 5:
            one.approved.append(("a1", "in the browser"))

    host.elsewhere = approve_later
    events = told_by(host, Consent(flags=("--file", "my own.toml")))
    asked = [event for event in events if isinstance(event, PipelineApprovalAsked)]
    assert [(event.approval, event.command) for event in asked] == [
        (ASKED, "mlops-tui ci approve 17 --file 'my own.toml'")
    ]
    assert [event for event in events if isinstance(event, PipelineApproved)] == [
        PipelineApproved(run="17", stage="Production", by="")
    ]


def test_somebody_who_sits_here_is_asked_once() -> None:
    questions: list[PipelineApproval] = []

    def say(answer: bool) -> Consent:
        def ask(one: PipelineApproval) -> bool:
            questions.append(one)
            return answer

        return Consent(ask=ask)

    host = FakeHost(PLAY)
    assert PipelineApproved(run="17", stage="Production", by="ada@example.com") in told_by(host, say(True))
    assert questions == [ASKED]
    host = FakeHost(PLAY)
    looks: list[int] = []

    def approve_later(one: FakeHost) -> None:
        looks.append(one.frame)
        if looks.count(4) == 5:
            one.approved.append(("a1", ""))

    host.elsewhere = approve_later
    events = told_by(host, say(False))
    assert questions == [ASKED, ASKED]
    assert ("pipeline", "left open: mlops-tui ci approve 17") in lines(events)


def test_a_yes_that_is_for_others_to_say_ends_with_exit_code_3_where_it_was_given_beforehand() -> None:
    theirs = replace(ASKED, mine=False, approvers=("grace@example.com",))
    play = tuple(replace(frame, waits=theirs) if frame.waits else frame for frame in PLAY)
    error, events = failed(FakeHost(play), ForbiddenError, YES)
    assert error.exit_code == 3
    assert "grace@example.com" in error.message
    assert "wine-quality-production" in error.hint
    assert any(isinstance(event, PipelineApprovalAsked) for event in events)
    waiting = FakeHost(play, frame=4)
    with pytest.raises(ForbiddenError):
        operations.approve(waiting.session(), lambda _: None, "17")


def test_somebody_quicker_is_no_error() -> None:
    host = FakeHost(PLAY)

    def ask(one: PipelineApproval) -> bool:
        host.approved.append((one.id, "from the browser"))
        return True

    events = told_by(host, Consent(ask=ask))
    assert ("pipeline", "Somebody has approved already.") in lines(events)
    assert [event.by for event in events if isinstance(event, PipelineApproved)] == [""]


def test_a_rejected_approval_is_not_told_as_given() -> None:
    play = (*PLAY[:4], replace(PLAY[4]), Frame("failed", {"s2": "failed"}))
    host = FakeHost(play, details={"s2": "Rejected by Grace."})
    looks: list[int] = []

    def reject(one: FakeHost) -> None:
        looks.append(one.frame)
        if looks.count(4) == 3:
            one.frame = 5

    host.elsewhere = reject
    error, events = failed(host, RunFailedError)
    assert not any(isinstance(event, PipelineApproved) for event in events)
    assert error.message.endswith("has failed in Production.")
    assert error.raw == "Rejected by Grace."


def test_a_second_command_says_yes_with_a_comment_and_may_follow() -> None:
    host = FakeHost(PLAY, frame=4)
    events: list[Event] = []
    said = operations.approve(host.session(), events.append, "17", "looks good")
    assert host.approved == [("a1", "looks good")]
    assert events == [
        Identified(what="pipeline run", id="17", url=PAGE),
        PipelineApproved(run="17", stage="Production", by="ada@example.com"),
    ]
    assert "mlops-tui ci logs 17 --follow" in said
    host = FakeHost(PLAY, frame=4)
    events.clear()
    assert operations.approve(host.session(), events.append, "17", follow=True).endswith("has succeeded.")
    assert of_run(events) == LINES
    assert short(events[-1]) == "run succeeded"


def test_a_yes_that_nobody_asks_for_is_refused_in_a_sentence() -> None:
    with pytest.raises(UsageError) as caught:
        operations.approve(FakeHost(PLAY[:2]).session(), lambda _: None, "17")
    assert caught.value.message == "Run 17 waits for nobody's yes: it is queued."
    assert "mlops-tui ci runs" in caught.value.hint


# The rest


def test_a_run_is_shown_as_far_as_it_is_and_may_be_taken_up() -> None:
    host = FakeHost(PLAY, frame=1)
    events: list[Event] = []
    operations.read_log(host.session(), events.append, "17")
    assert of_run(events) == LINES[:4]
    assert [short(event) for event in events][:2] == ["identified", "run running"]
    events.clear()
    ended = FakeHost((*PLAY[:3], Frame("failed", {"t2": "failed"})), frame=3)
    operations.read_log(ended.session(), events.append, "17")
    assert short(events[-1]) == "run failed", "no error: it was asked what it has printed"
    events.clear()
    operations.read_log(FakeHost(PLAY).session(), events.append, "17", True, YES)
    assert of_run(events) == LINES
    with pytest.raises(NotFoundError) as caught:
        operations.read_log(host.session(), events.append, "99")
    assert "mlops-tui ci runs" in caught.value.hint


def test_a_run_is_queued_as_it_was_ordered_and_its_page_is_told_first() -> None:
    host = FakeHost(PLAY)
    events: list[Event] = []
    order = order_of(Project(ci=Ci(branch="release")), stage="production", build_number="20261128.1")
    said = operations.run(host.session(), events.append, order)
    assert host.queued == [RunOrder("release", "20261128.1", "production")]
    assert events == [Identified(what="pipeline run", id="17", url=PAGE), PipelineRunState(run=RUN)]
    assert said == "Queued. Follow it with `mlops-tui ci logs 17 --follow`."
    for wrong in ({"stage": "nowhere"}, {"build_number": "1; rm -rf /"}, {"build_number": "$(x)"}):
        with pytest.raises(UsageError):
            order_of(Project(), **wrong)


def test_runs_are_listed_with_what_waits() -> None:
    events: list[Event] = []
    operations.list_runs(FakeHost(PLAY, frame=4).session(), events.append, 5)
    [listed] = [event for event in events if isinstance(event, PipelineRunsListed)]
    assert [(run.id, run.state) for run in listed.runs] == [("17", "waiting"), ("16", "succeeded")]
    assert listed.approvals == (ASKED,)
    assert listed.host == "Azure DevOps"
    assert listed.page.startswith("https://dev.azure.com/contoso")


def test_a_run_is_cancelled_once_and_what_has_ended_is_left_alone() -> None:
    host = FakeHost(PLAY, frame=2)
    events: list[Event] = []
    assert operations.cancel(host.session(), events.append, "17") == "Run 17 is being cancelled."
    assert short(events[-1]) == "run canceled"
    host.cancelled = False
    assert operations.cancel(host.session(), events.append, "17") == "Run 17 has ended already: canceled."
    assert not host.cancelled


def test_without_a_host_or_a_pipeline_it_is_said_how_to_get_one() -> None:
    session = FakeHost(PLAY).session(Project())
    with pytest.raises(UsageError) as none:
        operations.list_runs(session, lambda _: None)
    assert "--ci-host azure-devops" in none.value.hint
    host = FakeHost(PLAY, has_pipeline=False)
    with pytest.raises(NotFoundError, match="There is no pipeline") as nothing:
        operations.run(host.session(), lambda _: None, ORDER)
    assert "mlops-tui setup" in nothing.value.hint
    with pytest.raises(NotFoundError, match="There is no pipeline"):
        operations.list_runs(host.session(), lambda _: None)


def test_a_run_that_no_agent_takes_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "STUCK_SECONDS", 0.01)
    host = FakeHost((Frame("queued"),))
    session = host.session()
    threading.Timer(0.2, session.cancelled.set).start()
    events: list[Event] = []
    with pytest.raises(Interrupted):
        operations.run(session, events.append, ORDER, follow=True)
    warned = [event for event in events if isinstance(event, LogLine) and event.level == "warning"]
    assert len(warned) == 1
    assert "waits for an agent of Azure DevOps" in warned[0].text
