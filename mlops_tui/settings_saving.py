"""Write settings into mlops.toml, and leave everything else in it as it stands: comments, order, spaces.

Nothing is written before the standard parser has read in the new text exactly what was meant.
"""

from __future__ import annotations

import copy
import os
import re
import secrets
import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomlkit
import tomlkit.items
from tomlkit.exceptions import TOMLKitError

from mlops_tui import project_file
from mlops_tui.errors import UsageError
from mlops_tui.project import look_at
from mlops_tui.settings import BY_NAME, Value, checked
from mlops_tui.toml_lines import KeyPath, key_lines

MARK = b"\xef\xbb\xbf"  # some editors begin a file with it
Keys = tuple[str, ...]


@dataclass(frozen=True)
class Line:
    """A line that is new, or other than it was."""

    number: int
    text: str  # 'location = "northeurope"'
    before: str = ""  # the value that stood there; empty where none did


@dataclass(frozen=True)
class Saved:
    """What came of it."""

    file: Path
    is_new: bool
    lines: tuple[Line, ...]  # of a new file: those that are not as in every new file


def save(given: Path | None, values: Mapping[str, str]) -> Saved:
    """Write these settings, by name, into the file given or found from here upward; else into a new one.

    Raises UsageError where a value cannot be used, or the file not be read, understood or written: then it is as it
    was.
    """
    path = project_file.find(given, Path.cwd()) or Path.cwd() / project_file.NAME
    wanted = _wanted(path, values)
    exists = path.exists()
    before = _text(path) if exists else project_file.template("wine-quality")
    text = before
    for keys, value in wanted.items():
        text = _with(text, keys, value)
    _refuse_new_problems(path, before, text, {".".join(keys) for keys in wanted})
    if text != before or not exists:
        _replace(path, text)
    return Saved(path, not exists, _differences(before, text, tuple(wanted)))


def written(text: str, values: Mapping[str, Value]) -> str:
    """The text of a project file with these settings, by name. Raises UsageError where one cannot be put there."""
    for name, value in values.items():
        text = _with(text, tuple(BY_NAME[name].key.split(".")), value)
    return text


def _wanted(path: Path, values: Mapping[str, str]) -> dict[Keys, Value]:
    """The values in their types, by key. Raises UsageError with all that is wrong."""
    wanted: dict[Keys, Value] = {}
    problems: list[str] = []
    for name, text in values.items():
        setting = BY_NAME.get(name)
        if setting is None:
            problems.append(f"{name}: there is no such setting")
        elif setting.secret:
            instead = " or ".join(setting.variables)
            problems.append(f"{setting.key}: a secret does not belong in a file: set {instead}")
        else:
            try:
                wanted[tuple(setting.key.split("."))] = _placed(path, name, checked(setting, text))
            except ValueError as error:
                problems.append(f"{setting.key}: {error}")
    if problems:
        raise _not_saved(path, problems)
    return wanted


def _placed(path: Path, name: str, value: Value) -> Value:
    """A folder that counts from here must count from the file's folder."""
    folder = path.absolute().parent
    if name != "notebooks" or not value or folder == Path.cwd() or Path(str(value)).is_absolute():
        return value
    return os.path.relpath(str(value), folder)


def _text(path: Path) -> str:
    try:
        text = project_file.text_of(path)
        tomllib.loads(text)
    except (OSError, ValueError, RecursionError):  # a TOMLDecodeError is a ValueError
        problems = project_file.read(path).problems
        raise _not_saved(path, [str(problem) for problem in problems]) from None
    return text


def _refuse_new_problems(path: Path, before: str, after: str, keys: Collection[str]) -> None:
    """What is wrong in the file may stay so, to be mended one by one; what does not go together must not be added.

    Values are compared with each other only where each is right by itself, so that mending one may bring to light
    what had been wrong with others.
    """

    def problems(text: str) -> list[tuple[str, str]]:
        return [(one.key, one.reason) for one in look_at(project_file.parse(path, text), {}, {}).problems]

    known = problems(before)
    new = [one for one in problems(after) if one not in known and (not known or one[0] in keys)]
    if new:
        raise _not_saved(path, [": ".join(filter(None, one)) for one in new])


def _with(text: str, keys: Keys, value: Value) -> str:
    """The text with one value set: where it stands, else on the best line that it can have."""
    data = tomllib.loads(text)
    there = _value_at(data, keys)
    if there == value and type(there) is type(value):
        return text
    meant = _changed(data, keys, value)
    if there is None:
        for candidate in _with_new_line(text, keys, f"{keys[-1]} = {tomlkit.item(value).as_string()}"):
            if _reads_as(candidate, meant):
                return candidate
    changed = _with_value(text, keys, value)
    if not _reads_as(changed, meant):
        raise UsageError(
            f"{'.'.join(keys)} cannot be written into the project file by this program.",
            hint="Nothing was changed. Write the line into the file yourself.",
        )
    return changed


def _with_value(text: str, keys: Keys, value: Value) -> str:
    """In place of the value that stands there, or in an inline table; as it was where that cannot be."""
    try:
        document = tomlkit.parse(text)
        table: Any = document
        for key in keys[:-1]:
            inline = isinstance(table, tomlkit.items.InlineTable)
            table = table.setdefault(key, tomlkit.inline_table() if inline else tomlkit.table())
        table[keys[-1]] = value
        changed = tomlkit.dumps(document)
    except (TOMLKitError, ValueError):  # a ValueError: something that an inline table cannot hold
        return text
    has_only_windows_ends = "\r\n" in text and not re.search(r"(?<!\r)\n", text)
    return re.sub(r"(?<!\r)\n", "\r\n", changed) if has_only_windows_ends else changed


def _with_new_line(text: str, keys: Keys, line: str) -> Iterator[str]:
    """Candidates, best first: below its own comment, below the last of its section, below the heading, at the end.

    Whether a line says there what it shall is not looked at here: the parser tells.
    """
    lines = text.splitlines(keepends=True)
    ending = "\r\n" if "\r\n" in text else "\n"
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += ending

    def below(number: int) -> str:
        return "".join([*lines[:number], line + ending, *lines[number:]])

    commented = re.compile(rf"\s*#\s*{re.escape(keys[-1])}\s*=")
    yield from (below(number) for number, one in enumerate(lines, 1) if commented.match(one))
    places: dict[KeyPath, int] = key_lines(text)
    section = keys[:-1]
    siblings = [at for key, at in places.items() if len(key) == len(keys) and key[:-1] == section]
    yield from (below(number) for number in sorted(siblings, reverse=True))
    if section in places:
        yield below(places[section])
    if not section:
        yield below(min(places.values(), default=1) - 1)
    yield "".join([*lines, ending, f"[{'.'.join(section)}]{ending}", line + ending])


def _reads_as(text: str, meant: Mapping[str, Any]) -> bool:
    try:
        return tomllib.loads(text) == meant
    except tomllib.TOMLDecodeError:
        return False


def _changed(data: Mapping[str, Any], keys: Keys, value: Value) -> dict[str, Any]:
    """Raises UsageError where something that is no section stands in the way."""
    changed: dict[str, Any] = copy.deepcopy(dict(data))
    table = changed
    for number, key in enumerate(keys[:-1], 1):
        table = table.setdefault(key, {})
        if not isinstance(table, dict):
            raise UsageError(
                f"{'.'.join(keys[:number])} is no section in the project file.",
                hint=f"Nothing was changed. Write [{'.'.join(keys[:number])}] and its keys below.",
            )
    table[keys[-1]] = value
    return changed


def _value_at(data: Mapping[str, Any], keys: Keys) -> object:
    value: object = data
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _replace(path: Path, text: str) -> None:
    """All or nothing, and by the file that a link leads to. The new file has the mode of the old one."""
    target = path.resolve()
    fresh = target.with_name(f".{target.name}.{secrets.token_hex(4)}.new")
    try:
        old = target.read_bytes() if target.exists() else b""
        mode = target.stat().st_mode & 0o777 if old else 0o600
        with open(fresh, "xb", opener=lambda place, flags: os.open(place, flags, 0o600)) as file:
            file.write((MARK if old.startswith(MARK) else b"") + text.encode())
            file.flush()
            os.fsync(file.fileno())
        fresh.chmod(mode)
        fresh.replace(target)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise _not_saved(path, [f"it cannot be written: {error.strerror or error}"]) from error


def _differences(before: str, after: str, wanted: tuple[Keys, ...]) -> tuple[Line, ...]:
    old, new = tomllib.loads(before), tomllib.loads(after)
    places, lines = key_lines(after), after.split("\n")
    changed = [keys for keys in wanted if _value_at(old, keys) != _value_at(new, keys)]
    return tuple(
        Line(line, lines[line - 1].strip(), _plain(_value_at(old, keys)))
        for line, keys in sorted((places[keys], keys) for keys in changed)
    )


def _plain(value: object) -> str:
    return "" if value is None else str(value)


def _not_saved(path: Path, problems: list[str]) -> UsageError:
    return UsageError(
        f"Nothing was saved in {path}.",
        problems=tuple(problems),
        hint="Correct what is named, then save again.",
    )
