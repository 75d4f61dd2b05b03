"""Work on one thread, its events on another."""

from __future__ import annotations

import threading

import pytest

from mlops_tui.events import Event, LogLine
from mlops_tui.steps import Emit
from mlops_tui.stream import Stream


def line(text: str) -> LogLine:
    return LogLine(source="test", text=text)


def test_events_come_in_order_and_the_result_at_the_end() -> None:
    def work(emit: Emit) -> int:
        for number in range(100):
            emit(line(str(number)))
        return 7

    stream = Stream(work)
    assert [event.text for event in stream if isinstance(event, LogLine)] == [str(number) for number in range(100)]
    assert stream.result == 7


def test_a_defect_reaches_the_reader_after_the_events_before_it() -> None:
    def work(emit: Emit) -> int:
        emit(line("before"))
        raise ZeroDivisionError("a defect")

    seen: list[Event] = []
    with pytest.raises(ZeroDivisionError, match="a defect"):
        seen.extend(Stream(work))
    assert len(seen) == 1


def test_a_question_is_asked_on_the_readers_thread_after_what_was_told_before() -> None:
    order: list[str] = []

    def work(emit: Emit) -> int:
        emit(line("the plan"))
        return 0 if stream.on_reader(ask) else 1

    def ask() -> bool:
        order.append("asked")
        assert threading.current_thread() is threading.main_thread()
        return True

    stream = Stream(work)
    for event in stream:
        assert isinstance(event, LogLine)
        order.append(event.text)
    assert order == ["the plan", "asked"]
    assert stream.result == 0


def test_an_interrupted_reader_goes_on_where_it_stopped() -> None:
    go_on = threading.Event()

    def work(emit: Emit) -> int:
        emit(line("one"))
        go_on.wait(10)
        emit(line("two"))
        return 0

    stream = Stream(work)
    seen: list[Event] = []
    for event in stream:
        seen.append(event)
        break  # Ctrl+C leaves the loop just so
    go_on.set()
    seen.extend(stream)
    assert [event.text for event in seen if isinstance(event, LogLine)] == ["one", "two"]
    assert list(stream) == []
