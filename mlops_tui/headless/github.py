"""The log of GitHub Actions: its workflow commands, and the files that it reads beside the log.

GitHub, "Workflow commands for GitHub Actions"; how they are read and escaped: actions/runner, `ActionCommand` and
`ActionCommandManager`. What a group holds is said while commands are stopped, so that no text of it can be one.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from secrets import token_hex
from typing import TextIO

from mlops_tui.headless.ci_text import CiText, Level

LARGEST_SUMMARY = 1 << 20  # bytes that a step's summary may have


def reporter(out: TextIO, environment: Mapping[str, str]) -> CiText:
    return CiText(out, GitHubCommands(out, environment))


class GitHubCommands:
    """See `ci_text.Commands`."""

    def __init__(self, out: TextIO, environment: Mapping[str, str]) -> None:
        self._out = out
        self._output_file = environment.get("GITHUB_OUTPUT", "")
        self._summary_file = environment.get("GITHUB_STEP_SUMMARY", "")
        self._resume = ""  # the word by which commands count again

    def mask(self, secrets: Sequence[str]) -> None:
        self._say(*(f"::add-mask::{_data(secret)}" for secret in secrets))

    def open_group(self, title: str) -> None:
        self._say(f"::group::{_data(title)}")
        self._stop()

    def close_group(self) -> None:
        self._go_on()
        self._say("::endgroup::")

    def annotate(self, level: Level, message: str, file: str = "", line: int = 0) -> None:
        place = f",file={_property(file)},line={line}" if file else ""
        self._say(f"::{level} title=mlops-tui{place}::{_data(message)}")

    def progress(self, percent: int, what: str) -> None:
        """GitHub shows none."""

    def output(self, name: str, value: str) -> None:
        if self._output_file:
            _append(Path(self._output_file), f"{name}={' '.join(value.splitlines())}\n")

    def summarize(self, markdown: str) -> None:
        if self._summary_file:
            _append(Path(self._summary_file), markdown.encode()[:LARGEST_SUMMARY].decode("utf-8", "ignore"))

    def _say(self, *commands: str) -> None:
        was_stopped = bool(self._resume)
        if was_stopped:
            self._go_on()
        self._out.writelines(f"{command}\n" for command in commands)
        if was_stopped:
            self._stop()
        self._out.flush()

    def _stop(self) -> None:
        self._resume = token_hex(16)
        self._out.write(f"::stop-commands::{self._resume}\n")
        self._out.flush()

    def _go_on(self) -> None:
        if self._resume:
            self._out.write(f"::{self._resume}::\n")
            self._resume = ""


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _append(file: Path, text: str) -> None:
    """What the host does not take shall not end the command."""
    with suppress(OSError), open(file, "a", encoding="utf-8", opener=_private) as opened:
        opened.write(text)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
