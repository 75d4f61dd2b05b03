"""What steps say to GitHub: lines that are commands, and files of assignments (GitHub, "Workflow commands").

As in actions/runner (ActionCommand, ActionCommandManager, FileCommandManager): `::name key=value::data` counts at the
start of a line, the older `##[name key=value]data` anywhere in it, for names that are known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from mlops_tui.sandbox.pipelines.job_context import StepReport
from mlops_tui.sandbox.pipelines.masks import Masks

REMOVED = ("set-output", "save-state", "set-env", "add-path")
NAMES = (
    *("add-mask", "add-matcher", "add-path", "debug", "echo", "endgroup", "error", "group", "notice", "remove-matcher"),
    *("save-state", "set-env", "set-output", "stop-commands", "warning"),
)
SHORTEST_HIDDEN = 6  # characters; a shorter token of stop-commands is shown
Command = tuple[str, dict[str, str], str]


class Commands:
    """Of one job. Between `::stop-commands::TOKEN` and `::TOKEN::` lines are lines."""

    def __init__(self) -> None:
        self._stopped = ""

    def end(self) -> None:
        """A step has ended: what it has stopped goes on."""
        self._stopped = ""

    def hear(self, line: str, report: StepReport, masks: Masks) -> None:
        known = (*NAMES, self._stopped) if self._stopped else NAMES
        command = parse(line, known)
        if command is None:
            report.say(line)
            return
        name, properties, data = command
        if self._stopped:
            self._stopped = "" if name == self._stopped else self._stopped
            report.say(line)
        elif name == "stop-commands":
            self._stop(line, data, report, masks)
        elif name == "add-mask":
            self._mask(data, report, masks)
        elif name in ("error", "warning", "notice"):
            _annotate(name, properties, data, report)
        elif name in REMOVED:
            report.warning(
                f"The `{name}` command is disabled. Please upgrade to using Environment Files. For more information "
                "see: https://github.blog/changelog/2022-10-11-github-actions-deprecating-save-state-and-set-output-"
                "commands/"
            )
        elif name in ("group", "endgroup", "debug"):
            report.say(f"##[{name}]{data}")

    def _stop(self, line: str, token: str, report: StepReport, masks: Masks) -> None:
        if not token or token.lower() in NAMES:
            report.say(line)
            report.error(f"Invalid stop-commands token '{token}'.")
            report.verdict = "failed"
            return
        self._stopped = token
        if len(token) > SHORTEST_HIDDEN:
            masks.add(token)
        report.say(line)

    def _mask(self, value: str, report: StepReport, masks: Masks) -> None:
        if not value.strip():
            report.warning("Can't add secret mask for empty string in ##[add-mask] command.")
            return
        masks.add(value)  # and says nothing of it, unless commands are echoed


def _annotate(kind: str, properties: dict[str, str], message: str, report: StepReport) -> None:
    report.say(f"##[{kind}]{message}")
    if kind != "notice":
        line = properties.get("line", "")
        report.issue(kind, message, properties.get("file", ""), int(line) if line.isdecimal() else 0)


def parse(line: str, known: tuple[str, ...]) -> Command | None:
    return _newer(line, known) or _older(line, known)


def _newer(line: str, known: tuple[str, ...]) -> Command | None:
    text = line.lstrip()
    if not text.startswith("::") or "::" not in text[2:]:
        return None
    head, _, data = text[2:].partition("::")
    name, _, rest = head.partition(" ")
    if name not in known:
        return None
    return name, _properties(rest.strip(), ",", _property), _data(data)


def _older(line: str, known: tuple[str, ...]) -> Command | None:
    _, mark, text = line.partition("##[")
    if not mark or "]" not in text:
        return None
    head, _, data = text.partition("]")
    name, _, rest = head.partition(" ")
    return (name, _properties(rest, ";", _old), _old(data)) if name in known else None


def _properties(text: str, mark: str, unescaped: Callable[[str], str]) -> dict[str, str]:
    pairs = (one.partition("=") for one in text.split(mark))
    return {name: unescaped(value) for name, sign, value in pairs if sign and name and value}


def _unescape(text: str, signs: dict[str, str]) -> str:
    for written, meant in signs.items():
        text = text.replace(written, meant)
    return text


def _data(text: str) -> str:
    return _unescape(text, {"%0D": "\r", "%0A": "\n", "%25": "%"})


def _property(text: str) -> str:
    return _unescape(text, {"%0D": "\r", "%0A": "\n", "%3A": ":", "%2C": ",", "%25": "%"})


def _old(text: str) -> str:
    return _unescape(text, {"%3B": ";", "%0D": "\r", "%0A": "\n", "%5D": "]", "%25": "%"})


def assignments(text: str) -> Iterator[tuple[str, str]]:
    """`name=value`, or `name<<MARK`, lines, `MARK`. Raises ValueError in the runner's words."""
    lines = iter(text.splitlines())
    for line in lines:
        if not line:
            continue
        equals, here = line.find("="), line.find("<<")
        if equals >= 0 and (here < 0 or equals < here):
            name, _, value = line.partition("=")
        elif here >= 0:
            name, _, mark = line.partition("<<")
            value = _until(mark, lines)
        else:
            raise ValueError(f"Invalid format '{line}'")
        if not name:
            raise ValueError(f"Invalid format '{line}'. Name must not be empty")
        yield name, value


def _until(mark: str, lines: Iterator[str]) -> str:
    if not mark:
        raise ValueError("Invalid format. Delimiter must not be empty")
    found: list[str] = []
    for line in lines:
        if line == mark:
            return "\n".join(found)
        found.append(line)
    raise ValueError(f"Invalid value. Matching delimiter not found '{mark}'")
