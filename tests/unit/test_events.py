"""Events: one JSON form, there and back without loss, whatever the texts hold."""

from __future__ import annotations

import dataclasses
import json
import math
import typing
from typing import Any

import pytest

from mlops_tui.events import (
    Change,
    ErrorCard,
    Event,
    LogLine,
    Planned,
    Problem,
    RunResult,
    RunsCompared,
    RunState,
    StepState,
    base,
    from_json,
    to_json,
)

KINDS = sorted(base._BY_TYPE.values(), key=lambda kind: kind.type)
HOSTILE = [
    "",
    "two\nlines\r\n\ttabbed",
    "\x1b[31mred\x1b[0m \x00 \x07",
    "[/subscriptions/1] [bold]not markup[/bold]",
    '{"type": "log_line"} "quotes" \\back\\slashes\\',
    "\u2028line separator\u2029 \ufeff \u202eright to left",
    "naïve 日本語 🧪 e\u0301 \U0001f468\u200d\U0001f469\u200d\U0001f467",
    "lone surrogate \ud83d",
    "x" * 100_000,
]


def sample(hint: Any, text: str) -> Any:
    """A value of the hinted type, with `text` wherever text may stand."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if dataclasses.is_dataclass(hint):
        hints = typing.get_type_hints(hint)
        names = [field.name for field in dataclasses.fields(hint)]
        return typing.cast("Any", hint)(**{name: sample(hints[name], text) for name in names})
    if origin is typing.Literal:
        return arguments[-1]
    if origin is tuple:
        return (sample(arguments[0], text), sample(arguments[0], text))
    if origin is dict:
        return {text: sample(arguments[1], text), f"{text}2": sample(arguments[1], text)}
    if arguments:  # a union: its first member
        return sample(arguments[0], text)
    return {str: text, int: 2**53 + 1, float: 0.1 + 0.2, bool: True}[hint]


def over_the_wire(event: Event) -> Event:
    return from_json(json.loads(json.dumps(to_json(event))))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.type)
@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_every_event_survives_json_with_any_text(kind: type[Event], text: str) -> None:
    event = sample(kind, text)
    again = over_the_wire(event)
    assert again == event
    assert type(again) is kind
    assert to_json(again) == to_json(event)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.type)
def test_one_event_is_one_line_of_plain_ascii_or_of_utf_8(kind: type[Event]) -> None:
    line = json.dumps(to_json(sample(kind, "two\nlines — ü")))
    assert "\n" not in line
    assert line.isascii()
    assert "\n" not in json.dumps(to_json(sample(kind, "two\nlines — ü")), ensure_ascii=False)


def test_there_are_as_many_types_as_events() -> None:
    def below(kind: type[Event]) -> list[type[Event]]:
        return [kind for child in kind.__subclasses__() for kind in (child, *below(child))]

    assert set(below(Event)) == set(KINDS)
    assert len({kind.type for kind in KINDS}) == len(KINDS)
    assert (LogLine.type, RunsCompared.type) == ("log_line", "runs_compared")


def test_the_json_form_is_flat_and_names_its_type_first() -> None:
    body = to_json(StepState(step="cluster", title="Cluster", state="running", seq=3, at=1.5))
    assert next(iter(body)) == "type"
    assert body == {
        "type": "step_state",
        "seq": 3,
        "at": 1.5,
        "step": "cluster",
        "title": "Cluster",
        "state": "running",
        "detail": "",
        "seconds": None,
    }


def test_what_is_nested_comes_back_as_what_it_was() -> None:
    compared = RunsCompared(
        build="7",
        results=(RunResult("a", {"alpha": 0.1, "solver": "x"}, "succeeded", {"rmse": 0.7}, 3.5, True, None, "r1"),),
        best="a",
        gate="rmse < 0.8",
        passed=True,
    )
    planned = Planned(step="cluster", title="Cluster", changes=(Change("create", "cluster ML", after="sign-in"),))
    problem = Problem(error=ErrorCard("No.", raw="[/x]", exit_code=3), source="cluster")
    for event in (compared, planned, problem):
        assert over_the_wire(event) == event


def test_a_field_that_an_older_writer_did_not_know_has_its_default() -> None:
    event = from_json({"type": "log_line", "source": "train", "text": "hello"})
    assert event == LogLine(source="train", text="hello", level="info")


def test_numbers_that_are_none_come_through_as_python_writes_them() -> None:
    event = RunState(run="a", state="failed", parameters={"alpha": math.inf}, seconds=math.inf)
    assert over_the_wire(event) == event


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"type": "nonsense"},
        {"type": ["log_line"]},
        {"type": "log_line"},
        {"type": "log_line", "source": "a", "text": "b", "colour": "red"},
        {"type": "planned", "step": "a", "title": "b", "changes": [{"what": "no action"}]},
        {"type": "planned", "step": "a", "title": "b", "changes": 3},
        {"type": "planned", "step": "a", "title": "b", "changes": ["create"]},
        {"type": "problem", "error": "No."},
    ],
)
def test_what_is_no_event_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        from_json(body)


def test_an_event_cannot_be_changed() -> None:
    event = LogLine(source="train", text="hello")
    with pytest.raises(dataclasses.FrozenInstanceError):
        event.text = "other"  # type: ignore[misc]  # (that is the point)
