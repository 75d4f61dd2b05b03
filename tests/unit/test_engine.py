"""The engine, with small steps of paper: what it runs side by side, what stops what, what it tells."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from mlops_tui import engine as engine_module
from mlops_tui.clouds.cloud import AZURE
from mlops_tui.engine import Engine, Plan
from mlops_tui.errors import (
    CloudError,
    ForbiddenError,
    Interrupted,
    NotFoundError,
    NotInStepError,
    PlanChangedError,
    UsageError,
)
from mlops_tui.events import Action, Change, Event, LogLine, Planned, PlanReady, Problem, StepState
from mlops_tui.project import Project
from mlops_tui.session import Session
from mlops_tui.steps import Finding, NotYetKnown, Report, Step

Act = Callable[[Session], object]


def nothing(_: Session) -> None:
    """What most paper steps do beside the usual."""


@dataclass
class Paper:
    """A step whose cloud is a set of names; it learns its own name when it exists."""

    name: str
    there: set[str]
    needs: tuple[str, ...] = ()
    title: str = ""
    about: str = ""
    link: str = ""
    settings: tuple[str, ...] = ()
    on_inspect: Act = nothing
    on_apply: Act = nothing
    settles: bool = True
    applied: int = 0
    removed: list[str] = field(default_factory=list)

    def wanted(self, project: Project) -> tuple[Change, ...]:
        return (Change("create", self.name),)

    def inspect(self, session: Session) -> Finding:
        self.on_inspect(session)
        for need in self.needs:
            session.know(need, need)
        if self.name not in self.there:
            return Finding(self.wanted(session.project))
        session.learn(self.name, "here")
        return Finding((Change("keep", self.name),))

    def apply(self, session: Session, finding: Finding, report: Report) -> None:
        self.applied += 1
        self.on_apply(session)
        if self.settles:
            self.there.add(self.name)
        report.log(f"made {self.name}")

    def remove(self, session: Session, report: Report) -> None:
        for need in self.needs:
            session.know(need, need)
        self.there.discard(self.name)
        self.removed.append(self.name)

    def by_hand(self, project: Project) -> str:
        return f"make {self.name}"


@dataclass
class Bench:
    """An engine on paper, and everything it told."""

    steps: tuple[Paper, ...]
    events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.session = Session(Project(), AZURE)
        self.engine = Engine(list[Step](self.steps), self.session, self.events.append)

    def states(self, step: str) -> list[str]:
        return [event.state for event in self.events if isinstance(event, StepState) and event.step == step]

    def problems(self) -> list[str]:
        return [event.source for event in self.events if isinstance(event, Problem)]


def refuse(error: Exception) -> Act:
    def act(_: Session) -> None:
        raise error

    return act


@pytest.fixture
def there() -> set[str]:
    return set()


def test_a_plan_lists_the_steps_in_their_order_and_counts(there: set[str]) -> None:
    there.add("b")
    slow = threading.Event()
    first = Paper("a", there, on_inspect=lambda _: slow.wait(5))
    second = Paper("b", there, on_inspect=lambda _: slow.set())
    bench = Bench((first, second))
    plan = bench.engine.plan()
    assert [event.step for event in bench.events if isinstance(event, Planned)] == ["a", "b"]
    assert bench.events[-1] == PlanReady(pending=1, kept=1)
    assert (plan.pending, plan.kept) == (1, 1)
    assert bench.states("a") == ["checking", "will change"]
    assert bench.states("b") == ["checking", "done"]


def test_independent_steps_run_side_by_side(there: set[str]) -> None:
    together = threading.Barrier(3, timeout=5)
    steps = tuple(Paper(name, there, on_apply=lambda _: together.wait()) for name in "abc")
    bench = Bench(steps)
    assert bench.engine.apply(bench.engine.plan()).error is None
    assert there == {"a", "b", "c"}


def test_what_is_not_known_yet_is_planned_after_the_step_that_will_know(there: set[str]) -> None:
    bench = Bench((Paper("group", there), Paper("workspace", there, ("group",))))
    plan = bench.engine.plan()
    (change,) = plan.findings["workspace"].changes
    assert (change.action, change.after) == ("create", "group")
    assert bench.engine.apply(plan).error is None
    assert there == {"group", "workspace"}


def test_a_second_time_nothing_is_applied(there: set[str]) -> None:
    steps = (Paper("a", there), Paper("b", there, ("a",)))
    bench = Bench(steps)
    bench.engine.apply(bench.engine.plan())
    assert bench.engine.plan().pending == 0
    bench.engine.apply(bench.engine.plan())
    assert [step.applied for step in steps] == [1, 1]


def test_what_turns_out_to_be_there_is_not_made_again(there: set[str]) -> None:
    """The plan said "create, after a"; by then somebody else had made it."""
    late = Paper("late", there, ("a",))
    bench = Bench((Paper("a", there, on_apply=lambda _: there.add("late")), late))
    assert bench.engine.apply(bench.engine.plan()).error is None
    assert late.applied == 0
    assert bench.states("late")[-1] == "done"


def test_more_than_the_plan_showed_is_an_error_and_is_not_done(there: set[str]) -> None:
    @dataclass
    class Changeable(Paper):
        def inspect(self, session: Session) -> Finding:
            session.know("a", "a")
            return Finding((Change("replace", self.name),))

    step = Changeable("cluster", there, ("a",))
    bench = Bench((Paper("a", there), step))
    error = bench.engine.apply(bench.engine.plan()).error
    assert isinstance(error, PlanChangedError)
    assert "replace cluster" in error.message
    assert step.applied == 0


@pytest.mark.parametrize(("now", "allowed"), [("update", True), ("create", True), ("remove", False)])
def test_an_update_in_place_of_a_promised_create_is_within_the_plan(
    there: set[str], now: Action, allowed: bool
) -> None:
    @dataclass
    class Found(Paper):
        def inspect(self, session: Session) -> Finding:
            session.know("a", "a")
            return Finding((Change("keep" if self.applied else now, self.name),))

    bench = Bench((Paper("a", there), Found("job", there, ("a",))))
    assert (bench.engine.apply(bench.engine.plan()).error is None) is allowed


def test_a_failed_step_stops_what_needs_it_and_nothing_else(there: set[str]) -> None:
    broken = Paper("broken", there, on_apply=refuse(CloudError("no room")))
    above = Paper("above", there, ("broken",))
    beside = Paper("beside", there)
    bench = Bench((broken, above, beside))
    outcome = bench.engine.apply(bench.engine.plan())
    assert list(outcome.errors) == ["broken"]
    assert outcome.error is not None
    assert outcome.error.told
    assert outcome.skipped == ["above"]
    assert there == {"beside"}
    assert bench.states("broken")[-1] == "failed"
    assert bench.states("above")[-1] == "skipped"
    assert bench.problems() == ["broken"]


def test_a_step_that_cannot_look_ends_the_plan_with_its_error(there: set[str]) -> None:
    bench = Bench((Paper("a", there, on_inspect=refuse(ForbiddenError("not yours"))), Paper("b", there)))
    with pytest.raises(ForbiddenError, match="not yours"):
        bench.engine.plan()
    assert not any(isinstance(event, PlanReady) for event in bench.events)


def test_a_defect_of_a_step_is_not_dressed_up_as_an_error_of_the_cloud(there: set[str]) -> None:
    bench = Bench((Paper("a", there, on_inspect=refuse(ZeroDivisionError())),))
    with pytest.raises(ZeroDivisionError):
        bench.engine.plan()


def test_a_need_that_is_met_and_yet_says_nothing_is_an_error_with_both_names(there: set[str]) -> None:
    """Such as a directory that the caller may not read: nothing to make there, and no id to go on with."""
    silent = Paper("silent", there, on_apply=nothing)
    bench = Bench((silent, Paper("above", there, ("silent",))))
    plan = bench.engine.plan()
    silent.inspect = lambda session: Finding((Change("keep", "silent"),))  # type: ignore[method-assign]
    error = bench.engine.apply(plan).error
    assert isinstance(error, NotInStepError)
    assert "silent" in error.message
    assert bench.states("above")[-1] == "failed"


def test_a_cloud_that_shows_late_is_waited_for(there: set[str]) -> None:
    looks: list[int] = []

    def appear(_: Session) -> None:
        looks.append(1)
        if len(looks) == 3:
            there.add("slow")

    bench = Bench((Paper("slow", there, on_inspect=appear, settles=False),))
    assert bench.engine.apply(bench.engine.plan()).error is None
    lines = [event.text for event in bench.events if isinstance(event, LogLine)]
    assert lines == ["made slow", "made; waiting until the cloud shows it"]


def test_a_cloud_that_never_shows_it_is_an_error_that_names_the_difference(
    there: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "SETTLE_SECONDS", 0.0)
    bench = Bench((Paper("lost", there, settles=False),))
    error = bench.engine.apply(bench.engine.plan()).error
    assert isinstance(error, NotInStepError)
    assert "create lost" in error.message


def test_cancelled_in_the_middle_what_runs_ends_and_nothing_new_begins(there: set[str]) -> None:
    first = Paper("first", there, on_apply=lambda session: session.cancelled.set())
    second = Paper("second", there, ("first",))
    bench = Bench((first, second))
    plan = bench.engine.plan()
    with pytest.raises(Interrupted) as caught:
        bench.engine.apply(plan)
    assert caught.value.exit_code == 130
    assert there == {"first"}
    assert second.applied == 0
    assert bench.states("second")[-1] == "skipped"


def test_a_step_that_notices_the_cancelling_is_skipped_and_not_a_problem(there: set[str]) -> None:
    def stop(session: Session) -> None:
        session.cancelled.set()
        raise Interrupted("in the middle of a")

    bench = Bench((Paper("a", there, on_apply=stop),))
    plan = bench.engine.plan()
    with pytest.raises(Interrupted):
        bench.engine.apply(plan)
    assert bench.problems() == []
    assert bench.states("a")[-1] == "skipped"


def test_cancelled_while_the_cloud_settles_is_an_interruption(there: set[str]) -> None:
    bench = Bench((Paper("a", there, on_apply=lambda session: session.cancelled.set(), settles=False),))
    plan = bench.engine.plan()
    with pytest.raises(Interrupted):
        bench.engine.apply(plan)
    assert bench.problems() == []


def test_removal_goes_backwards_and_looks_first(there: set[str]) -> None:
    there |= {"group", "workspace", "job"}
    order: list[str] = []
    steps = (
        Paper("group", there, removed=order),
        Paper("workspace", there, ("group",), removed=order),
        Paper("job", there, ("workspace",), removed=order),
    )
    bench = Bench(steps)
    assert bench.engine.remove().error is None, "a new session has to learn what is there"
    assert order == ["job", "workspace", "group"]
    assert there == set()
    assert bench.engine.remove().error is None


def test_a_removal_without_what_it_needs_has_nothing_to_do(there: set[str]) -> None:
    bench = Bench((Paper("workspace", there), Paper("job", there, ("workspace",))))
    assert bench.engine.remove().error is None
    last = [event for event in bench.events if isinstance(event, StepState) and event.step == "job"][-1]
    assert (last.state, last.detail) == ("done", "nothing to remove without workspace")


def test_what_cannot_be_removed_keeps_what_it_stands_on(there: set[str]) -> None:
    @dataclass
    class Stuck(Paper):
        def remove(self, session: Session, report: Report) -> None:
            raise NotFoundError("locked")

    there |= {"group", "workspace"}
    bench = Bench((Paper("group", there), Stuck("workspace", there, ("group",))))
    outcome = bench.engine.remove()
    assert list(outcome.errors) == ["workspace"]
    assert outcome.skipped == ["group"]
    assert "group" in there


def test_what_cannot_be_looked_at_is_left_and_told_and_the_rest_goes(there: set[str]) -> None:
    @dataclass
    class Hidden(Paper):
        def inspect(self, session: Session) -> Finding:
            raise ForbiddenError("not yours")

    there |= {"group", "vault", "workspace"}
    steps = (Paper("group", there), Hidden("vault", there, ("group",)), Paper("workspace", there, ("group",)))
    outcome = Bench(steps).engine.remove()
    assert there == {"vault"}
    assert list(outcome.errors) == ["vault"]
    assert isinstance(outcome.error, ForbiddenError)


def test_a_step_may_only_need_what_stands_before_it(there: set[str]) -> None:
    with pytest.raises(ValueError, match="not listed before it"):
        Bench((Paper("a", there, ("b",)), Paper("b", there)))


def test_asking_for_what_nobody_knows_names_the_step_that_will(there: set[str]) -> None:
    with pytest.raises(NotYetKnown) as caught:
        Session(Project(), AZURE).know("cluster_id", "cluster")
    assert caught.value.step == "cluster"


def test_the_numbers_of_a_plan() -> None:
    found = {"a": Finding((Change("keep", "x"), Change("update", "y"))), "b": Finding((Change("create", "z"),))}
    plan = Plan(found)
    assert (plan.pending, plan.kept) == (2, 1)


def test_some_steps_of_a_plan_are_applied_and_the_rest_later(there: set[str]) -> None:
    steps = (Paper("group", there), Paper("kept", there, ("group",)), Paper("job", there, ("kept",)))
    there.add("kept")
    bench = Bench(steps)
    plan = bench.engine.plan()
    bench.events.clear()
    assert bench.engine.apply(plan, ["group"]).error is None
    assert there == {"group", "kept"}
    assert bench.states("group") == ["waiting", "running", "done"]
    assert bench.states("job") == []
    assert (plan.findings["group"].pending, len(plan.findings["job"].pending)) == ((), 1)
    bench.events.clear()
    assert bench.engine.apply(plan).error is None
    assert there == {"group", "kept", "job"}
    assert bench.states("group") == [], "what is applied is not touched again"
    assert [step.applied for step in steps] == [1, 0, 1]
    assert plan.pending == 0


@pytest.mark.parametrize(
    ("only", "told"), [(["job"], "job needs workspace, not applied yet"), (["job", "dance"], "no step 'dance'")]
)
def test_steps_without_what_they_need_are_refused_before_anything_changes(
    there: set[str], only: list[str], told: str
) -> None:
    bench = Bench((Paper("group", there), Paper("workspace", there, ("group",)), Paper("job", there, ("workspace",))))
    plan = bench.engine.plan()
    bench.events.clear()
    with pytest.raises(UsageError) as caught:
        bench.engine.apply(plan, only)
    assert told in caught.value.raw
    assert (there, bench.events) == (set(), [])


def test_chosen_steps_keep_their_order_even_by_way_of_one_that_is_kept(there: set[str]) -> None:
    @dataclass
    class Kept(Paper):
        def inspect(self, session: Session) -> Finding:
            return Finding((Change("keep", self.name),))

    def slowly(_: Session) -> None:
        threading.Event().wait(0.05)
        assert "last" not in there

    steps = (Paper("first", there, on_apply=slowly), Kept("kept", there, ("first",)), Kept("last", there, ("kept",)))
    steps[2].inspect = lambda session: Paper.inspect(Paper("last", there), session)  # type: ignore[method-assign]
    bench = Bench(steps)
    assert bench.engine.apply(bench.engine.plan(), ["first", "last"]).error is None
    assert there == {"first", "last"}


def test_a_step_that_failed_is_tried_again_and_what_was_made_is_left_alone(there: set[str]) -> None:
    broken = Paper("broken", there, on_apply=refuse(CloudError("no room")))
    above, beside = Paper("above", there, ("broken",)), Paper("beside", there)
    bench = Bench((broken, above, beside))
    plan = bench.engine.plan()
    assert list(bench.engine.apply(plan).errors) == ["broken"]
    broken.on_apply = nothing
    assert bench.engine.apply(plan).error is None
    assert there == {"broken", "above", "beside"}
    assert (above.applied, beside.applied) == (1, 1)
