"""Which of the values given for a setting counts, where it came from, and everything that is wrong with what was given.

The sandbox's own identity ranks above the project file: a file that describes a real subscription can be practised
with as it stands.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from mlops_tui.settings.environment import FOREIGN, foreign_keys, foreign_sources, given_text
from mlops_tui.settings.table import BY_NAME, SETTINGS, Setting, Value


class FileValue(NamedTuple):
    """A value of the project file, as TOML types it."""

    value: object
    file: str  # "mlops.toml"
    line: int

    @property
    def source(self) -> str:
        return f"{self.file} line {self.line}"


@dataclass(frozen=True)
class Problem:
    """Something wrong with a value: "mlops.toml:7: azure.resource_group: must not end in a period"."""

    where: str  # "mlops.toml:7", "ARM_TENANT_ID", "--location"
    key: str  # of the file; empty where the whole file is meant
    reason: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.where, self.key, self.reason) if part)


@dataclass(frozen=True)
class Entry:
    """What counts for one key."""

    key: str  # "azure.location"
    value: Value
    source: str  # "mlops.toml line 7", "ARM_CLIENT_ID", "--location", "sandbox", "default"
    secret: bool = False
    refused: str = ""  # the text that was given and cannot be used; never a secret's


@dataclass
class Resolved:
    """All settings by name; where a value has a problem, the default stands in its place."""

    entries: dict[str, Entry] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    @property
    def values(self) -> dict[str, Value]:
        return {name: entry.value for name, entry in self.entries.items()}


@dataclass(frozen=True)
class _Given:
    value: object
    where: str
    source: str
    typed: bool = False  # by TOML; the others are text


def resolve(
    file_values: Mapping[str, FileValue],
    environment: Mapping[str, str],
    flags: Mapping[str, object],
    practice: Mapping[str, str] | None = None,
) -> Resolved:
    """Every setting with its source.

    `file_values` go by key, `flags` by setting name (None: not given). `practice` is what a running sandbox gives:
    tenant_id, client_id, client_secret, subscription_id, and its `origin`, by which its own addresses are known.
    """
    practice = practice or {}
    in_file = {key: kept.value for key, kept in file_values.items()}
    foreign = foreign_sources(environment, practice) | {
        file_values[key].source for key in foreign_keys(in_file, practice) if key in file_values
    }
    resolved = Resolved()
    for setting in SETTINGS:
        written = file_values.get(setting.key)
        if written is not None:
            resolved.problems += _problems_in_file(setting, written)
        given = list(_given(setting, None if setting.secret else written, environment, flags, practice))
        resolved.entries[setting.name] = _choose(setting, given, foreign, resolved.problems)
    return resolved


def _given(
    setting: Setting,
    in_file: FileValue | None,
    environment: Mapping[str, str],
    flags: Mapping[str, object],
    practice: Mapping[str, str],
) -> Iterator[_Given]:
    """What was given, strongest first."""
    if (flag := flags.get(setting.name)) is not None:
        source = setting.flag or "prompt"
        yield _Given(flag, source, source)
    for variable in setting.variables:
        if text := given_text(environment, variable):
            yield _Given(text, variable, variable)
    if text := practice.get(setting.name, ""):
        yield _Given(text, "sandbox", "sandbox")
    if in_file is not None:
        yield _Given(in_file.value, f"{in_file.file}:{in_file.line}", in_file.source, typed=True)


def _choose(setting: Setting, given: list[_Given], foreign: frozenset[str], problems: list[Problem]) -> Entry:
    """The strongest that is not foreign. Its problem is noted; the file's are known already."""
    ignored = ""
    for one in given:
        if one.source in foreign:
            ignored = ignored or f" ({one.source} {FOREIGN})"
            continue
        value, refused = setting.default, ""
        try:
            value = checked(setting, one.value, one.typed)
        except ValueError as error:
            refused = "" if setting.secret else str(one.value)
            if not one.typed:
                problems.append(Problem(one.where, setting.key, str(error)))
        return Entry(setting.key, value, one.source + ignored, setting.secret, refused)
    return Entry(setting.key, setting.default, "default" + ignored, setting.secret)


def _problems_in_file(setting: Setting, kept: FileValue) -> list[Problem]:
    """The file is checked even where something stronger overrides it: a bad file stays bad."""
    where = f"{kept.file}:{kept.line}"
    if setting.secret:
        instead = " or ".join(setting.variables)
        return [Problem(where, setting.key, f"a secret does not belong in a file: set {instead} and remove this line")]
    try:
        checked(setting, kept.value, typed=True)
    except ValueError as error:
        return [Problem(where, setting.key, str(error))]
    return []


def problem_of(name: str, text: str) -> str:
    """Why the setting of that name cannot have this text as its value; empty where it can."""
    try:
        checked(BY_NAME[name], text)
    except ValueError as error:
        return str(error)
    return ""


def checked(setting: Setting, value: object, typed: bool = False) -> Value:
    """The value in the setting's type and canonical spelling. Raises ValueError with the reason."""
    if isinstance(setting.default, str):
        return _checked_text(setting, value)
    number: Value = setting.rule(_number(setting, value, typed))
    return number


def _checked_text(setting: Setting, value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"must be text in quotes, not {_kind(value)}")
    if value == setting.default:
        return value
    shown = "its value" if setting.secret else repr(value if len(value) <= 60 else f"{value[:60]}…")
    try:
        text = str(setting.rule(value))
    except ValueError as error:
        raise ValueError(f"{shown} {error}") from None
    if not setting.choices:
        return text
    for choice in setting.choices:
        if choice.lower() == text.lower():
            return choice
    raise ValueError(f"{shown} must be one of: {', '.join(setting.choices)}")


def _number(setting: Setting, value: object, typed: bool) -> int | float:
    """From TOML a number must be one; from a variable or a flag it is text that reads as one."""
    whole = isinstance(setting.default, int)
    wanted = "must be a whole number" if whole else "must be a number"
    if isinstance(value, str):
        text = value[:60]
        if typed:
            raise ValueError(f"{wanted} without quotes")
        try:
            value = int(value) if whole else float(value)
        except ValueError:
            raise ValueError(f"{text!r} {wanted}") from None
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
        raise ValueError(f"{wanted}, not {_kind(value)}")
    if not math.isfinite(value):
        raise ValueError(f"{wanted}, not {_kind(value)}")
    return int(value) if whole else float(value)


def _kind(value: object) -> str:
    """What TOML calls it, in plain words."""
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, float):
        return "a decimal number" if math.isfinite(value) else f"{value}"
    words = {str: "text", int: "a number", list: "a list", dict: "a section"}
    return words.get(type(value), "a date or a time")
