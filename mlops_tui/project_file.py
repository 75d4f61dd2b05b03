"""mlops.toml: find it, read it with the line of every value, write a first one."""

from __future__ import annotations

import difflib
import math
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from mlops_tui.errors import UsageError
from mlops_tui.run_parameters import Parameters, check_run, check_together
from mlops_tui.settings import SETTINGS, FileValue, Problem
from mlops_tui.toml_lines import KeyPath, key_lines

NAME = "mlops.toml"
LARGEST = 256 * 1024  # bytes; a larger file is some other file
RUNS, METRICS, PRICES = "training.runs", "training.metrics", "delivery.prices"
KNOWN = frozenset({setting.key for setting in SETTINGS} | {RUNS, METRICS, PRICES})
SECTIONS = frozenset(key[: dot.start()] for key in KNOWN for dot in re.finditer(r"\.", key))

# How the standard parser begins its messages, and what that means to somebody who has never written TOML.
_PLAIN_WORDS = (
    ("Cannot overwrite a value", "this key is given twice"),
    ("Cannot declare", "this section is given twice"),
    ("Cannot mutate immutable", "this adds to something that is complete already"),
    ("Cannot redefine", "this section is given twice"),
    ("Invalid value", "the value is missing, or is a text without quotes"),
    ("Invalid initial character for a key part", "a key must start with a letter, a digit, _ or -"),
    ("Invalid statement", "a line must be a [section] or key = value"),
    ("Expected '=' after a key", "an = is missing after the key"),
    ("Expected newline or end of document", "something stands after the value"),
    ("Expected ']'", "a ] is missing"),
    ("Unclosed array", "a list is not closed with ]"),
    ("Unclosed inline table", "a { is not closed with }"),
    ("Unterminated string", "a text is not closed with its quote"),
    ("Illegal character", "a text is not closed with its quote, or holds a character that it must not"),
    ("Unescaped '\\'", "write \\\\ for a backslash, or use single quotes"),
    ("Found invalid character", "a text is not closed with its quote, or holds a character that it must not"),
    ('Expected "\'"', "a text above is not closed with its quote"),
)


@dataclass
class ProjectFile:
    """What a file holds. `runs` and `metrics` are None where it does not speak of them."""

    path: Path | None = None
    values: dict[str, FileValue] = field(default_factory=dict)  # by key: "azure.location"
    runs: tuple[Parameters, ...] | None = None
    metrics: tuple[str, ...] | None = None
    prices: dict[str, float] = field(default_factory=dict)  # in place of known ones: "Standard_B4ms": 0.2
    list_sources: dict[str, str] = field(default_factory=dict)  # of those three: "mlops.toml line 40"
    problems: list[Problem] = field(default_factory=list)


def find(given: Path | None, start: Path) -> Path | None:
    """The file given (or the one in the folder given), else the nearest mlops.toml from `start` upward."""
    if given is not None:
        return given / NAME if given.is_dir() else given
    for folder in (start, *start.parents):
        if (folder / NAME).is_file():
            return folder / NAME
    return None


def read(path: Path) -> ProjectFile:
    """All that the file says and all that is wrong with it, but for the rules of `settings`."""
    try:
        text = text_of(path)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return ProjectFile(path, problems=[Problem(path.name, "", f"cannot be read: {reason}")])
    return parse(path, text)


def parse(path: Path, text: str) -> ProjectFile:
    """The same, of the text that stands in the file, or shall."""
    found = ProjectFile(path)
    try:
        data, lines = tomllib.loads(text), key_lines(text)
    except tomllib.TOMLDecodeError as error:
        found.problems.append(_malformed(path.name, text, str(error)))
    except (ValueError, RecursionError) as error:
        found.problems.append(Problem(path.name, "", f"cannot be read: {error}"))
    else:
        _Reader(found, path.name, lines).read(data)
    return found


def text_of(path: Path) -> str:
    """Raises OSError, and ValueError for what cannot be a project file."""
    with path.open("rb") as file:
        raw = file.read(LARGEST + 1)
    if len(raw) > LARGEST:
        raise ValueError(f"it is larger than {LARGEST // 1024} KiB")
    try:
        return raw.decode("utf-8-sig")  # some editors put a mark at the beginning
    except UnicodeDecodeError as error:
        raise ValueError(f"line {raw.count(10, 0, error.start) + 1} is not UTF-8 text") from None


def _malformed(file: str, text: str, message: str) -> Problem:
    position = re.search(r"\(at (?:line (\d+), column \d+|end of document)\)", message)
    if position is None:
        return Problem(file, "", message)
    line = int(position.group(1) or text.rstrip().count("\n") + 1)
    plain = next((words for beginning, words in _PLAIN_WORDS if message.startswith(beginning)), "")
    said = message[: position.start()].strip()
    return Problem(f"{file}:{line}", "", f"{plain} ({said})" if plain else said)


@dataclass
class _Reader:
    """Takes parsed TOML apart."""

    found: ProjectFile
    file: str
    lines: Mapping[KeyPath, int]

    def read(self, data: Mapping[str, Any]) -> None:
        for path, value in _leaves(data, ()):
            key = ".".join(path)
            line = self.lines.get(path, 1)
            if key in (RUNS, METRICS, PRICES):
                self.found.list_sources[key] = f"{self.file} line {line}"
            if key == RUNS:
                self._runs(value)
            elif key == METRICS:
                self._metrics(value, line)
            elif key == PRICES:
                self._prices(value, line)
            elif key in KNOWN:
                self.found.values[key] = FileValue(value, self.file, line)
            elif key in SECTIONS:
                self._problem(line, key, f"is a section: write [{key}] and its keys below")
            else:
                self._problem(line, key, _unknown(key, isinstance(value, dict)))
        self.found.problems.sort(key=lambda problem: int(problem.where.rpartition(":")[2]))

    def _runs(self, value: object) -> None:
        path: KeyPath = tuple(RUNS.split("."))
        line = self.lines.get(path, 1)
        if not isinstance(value, list) or not value or not all(isinstance(item, dict) for item in value):
            self._problem(line, RUNS, "must be [[training.runs]] sections with alpha and l1_ratio, one at least")
            return
        runs, before = [], len(self.found.problems)
        for number, item in enumerate(value):
            run, reasons = check_run(item, typed=True)
            runs.append(run)
            for reason in reasons:
                at = self.lines.get((*path, number, reason.partition(" ")[0]), self.lines.get((*path, number), line))
                self._problem(at, f"{RUNS} {number + 1}", reason)
        if len(self.found.problems) == before:
            for number, reason in check_together(runs):
                self._problem(self.lines.get((*path, number - 1), line), f"{RUNS} {number}", reason)
        self.found.runs = tuple(runs)

    def _metrics(self, value: object, line: int) -> None:
        if not isinstance(value, list) or not value or not all(isinstance(name, str) and name for name in value):
            self._problem(line, METRICS, 'must be a list of names, such as ["rmse", "mae", "r2"]')
        elif len(set(value)) < len(value):
            self._problem(line, METRICS, "has a name twice")
        else:
            self.found.metrics = tuple(value)

    def _prices(self, value: object, line: int) -> None:
        if not isinstance(value, dict):
            self._problem(line, PRICES, "must be a section of names and prices in USD")
            return
        for name, price in value.items():
            at = self.lines.get((*PRICES.split("."), name), line)
            if isinstance(price, bool) or not isinstance(price, int | float) or not 0 <= price < math.inf:
                self._problem(at, f"{PRICES}.{name}", "must be a price in USD: a number, 0 or more")
            else:
                self.found.prices[name] = float(price)

    def _problem(self, line: int, key: str, reason: str) -> None:
        self.found.problems.append(Problem(f"{self.file}:{line}", key, reason))


def _leaves(table: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Values with their paths; a section nobody knows counts as one value."""
    for name, value in table.items():
        here = (*path, name)
        if isinstance(value, dict) and ".".join(here) in SECTIONS:
            yield from _leaves(value, here)
        else:
            yield here, value


def _unknown(key: str, is_section: bool) -> str:
    candidates = sorted(SECTIONS if is_section else KNOWN)
    close = difflib.get_close_matches(key, candidates, n=1, cutoff=0.75)
    last = key.rpartition(".")[2]
    close = close or [one for one in candidates if one.rpartition(".")[2] == last]
    close = close or difflib.get_close_matches(key, candidates, n=1, cutoff=0.6)
    what = "unknown section" if is_section else "unknown key"
    return f"{what}; did you mean {close[0]}?" if close else what


def notebook_source(chosen: str = "") -> Path:
    """The folder of the notebooks to import: the project's own (`Project.notebooks`), else those of the program.

    Raises UsageError where there is none.
    """
    package = Path(__file__).resolve().parent
    # In a checkout they stand at the top of the tree; a wheel carries them inside the package.
    places = (Path(chosen),) if chosen else (package / "notebooks", package.parent / "notebooks")
    for place in places:
        if any(place.glob("*.py")):
            return place
    raise UsageError(
        f"No notebooks (*.py) in {places[-1]}.", hint="Set project.notebooks to the folder that holds your notebooks."
    )


def template(name: str) -> str:
    """Raises UsageError for a name that none has."""
    there = {entry.name.removesuffix(".toml"): entry for entry in files("mlops_tui").joinpath("templates").iterdir()}
    if name not in there:
        raise UsageError(f"There is no template {name!r}.", hint=f"There are: {', '.join(sorted(there))}.")
    return there[name].read_text("utf-8")


def write_template(path: Path, name: str = "wine-quality", force: bool = False) -> Path:
    """Write the template `name` to `path` (a file, or a folder that gets an mlops.toml) and return the file's path.

    Raises UsageError for an unknown template, and as `write_new`.
    """
    folder, file = (path, NAME) if path.is_dir() else (path.parent, path.name)
    write_new(folder, {file: template(name)}, force)
    return folder / file


def write_new(folder: Path, texts: Mapping[str, str], force: bool) -> None:
    """All of these files (path in the folder -> text), or none of them.

    Raises UsageError for one that is there already (unless `force`), and where the place cannot be written.
    """
    targets = {folder / path: text for path, text in texts.items()}
    there = [str(target) for target in targets if target.exists()]
    if there and not force:
        raise UsageError(f"{' and '.join(there)} is there already.", hint="Give --force to overwrite it.")
    fresh: dict[Path, Path] = {}
    target = folder
    try:
        for target, text in targets.items():
            if target.parent != folder:
                target.parent.mkdir(parents=True, exist_ok=True)
            new = target.with_name(f".{target.name}.{os.getpid()}.new")
            with open(new, "xb", opener=lambda place, flags: os.open(place, flags, 0o600)) as file:
                fresh[target] = new
                file.write(text.encode())
        for target, new in fresh.items():
            new.replace(target)
    except OSError as error:
        for new in fresh.values():
            new.unlink(missing_ok=True)
        hint = "Choose a folder of your own: mlops-tui init FOLDER"
        raise UsageError(f"{target} cannot be written: {error.strerror}.", hint=hint) from error
