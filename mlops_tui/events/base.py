"""What every event is, how it travels, and those that any command tells."""

from __future__ import annotations

import dataclasses
import re
import typing
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

Level = Literal["info", "warning", "error"]


@dataclass(frozen=True)
class ErrorCard:
    """An error as people read it (see `errors`)."""

    message: str
    hint: str = ""
    link: str = ""
    raw: str = ""
    code: str = ""
    exit_code: int = 1


@dataclass(frozen=True, kw_only=True)
class Event:
    """The root; `seq` and `at` (seconds since 1970) are set when it is emitted."""

    type: ClassVar[str]
    seq: int = 0
    at: float = 0.0

    def __init_subclass__(cls) -> None:
        cls.type = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()
        _BY_TYPE[cls.type] = cls


_BY_TYPE: dict[str, type[Event]] = {}


@dataclass(frozen=True, kw_only=True)
class CommandStarted(Event):
    command: str
    cloud: str
    project: str
    version: str


@dataclass(frozen=True, kw_only=True)
class CommandFinished(Event):
    command: str
    exit_code: int
    seconds: float
    summary: str = ""


@dataclass(frozen=True, kw_only=True)
class LogLine(Event):
    """One line; `source` is a step's or a run's name."""

    source: str
    text: str
    level: Level = "info"


@dataclass(frozen=True, kw_only=True)
class Identified(Event):
    """An id or a URL that someone may want early: "job run 17", its page."""

    what: str
    id: str
    url: str = ""
    step: str = ""  # of setup that made or changed it, if one did


@dataclass(frozen=True, kw_only=True)
class Problem(Event):
    """Something failed; `source` is the step or run, empty for the command as a whole."""

    error: ErrorCard
    source: str = ""


def to_json(event: Event) -> dict[str, Any]:
    """The one JSON form."""
    return {"type": event.type, **dataclasses.asdict(event)}


def from_json(data: dict[str, Any]) -> Event:
    """Back again, without loss. Raises ValueError for an unknown type or a field that does not fit."""
    kind = _BY_TYPE.get(str(data.get("type", "")))
    if kind is None:
        raise ValueError(f"no event is of type {data.get('type')!r}")
    body = {name: value for name, value in data.items() if name != "type"}
    return typing.cast("Event", _build(kind, body))


def _build(kind: type[Any], body: dict[str, Any]) -> Any:
    hints = typing.get_type_hints(kind)
    try:
        return kind(**{name: _value(hints[name], value) for name, value in body.items()})
    except (KeyError, TypeError) as error:
        raise ValueError(f"{kind.__name__}: {error}") from error


def _value(hint: Any, value: Any) -> Any:
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, dict):
            raise TypeError(f"{value!r} is no object")
        return _build(typing.cast("type[Any]", hint), value)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple:
        return tuple(_value(arguments[0], item) for item in value)
    return value
