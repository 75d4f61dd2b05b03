"""The log of Azure Pipelines: its logging commands.

Microsoft, "Logging commands"; how they are read and escaped: azure-pipelines-agent, `Command` and
`CommandStringConvertor`.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TextIO

from mlops_tui.headless.ci_text import CiText, Level
from mlops_tui.headless.tame import tame


def reporter(out: TextIO, environment: Mapping[str, str]) -> CiText:
    return CiText(out, AzureCommands(out, environment))


class AzureCommands:
    """See `ci_text.Commands`."""

    def __init__(self, out: TextIO, environment: Mapping[str, str]) -> None:
        self._out = out
        self._folder = environment.get("AGENT_TEMPDIRECTORY") or None
        self._percent = -1

    def mask(self, secrets: Sequence[str]) -> None:
        for secret in secrets:
            self._say(f"##vso[task.setsecret]{_escaped(secret)}")

    def open_group(self, title: str) -> None:
        self._say(f"##[group]{tame(' '.join(title.splitlines()))}")  # nothing is unescaped here

    def close_group(self) -> None:
        self._say("##[endgroup]")

    def annotate(self, level: Level, message: str, file: str = "", line: int = 0) -> None:
        place = f"sourcepath={_escaped(file)};linenumber={line};" if file else ""
        self._say(f"##vso[task.logissue type={level};{place}]{_escaped(message)}")

    def progress(self, percent: int, what: str) -> None:
        if percent != self._percent:
            self._percent = percent
            self._say(f"##vso[task.setprogress value={percent};]{_escaped(what)}")

    def output(self, name: str, value: str) -> None:
        self._say(f"##vso[task.setvariable variable={name};isoutput=true]{_escaped(value)}")

    def summarize(self, markdown: str) -> None:
        """The agent reads the file when the step has ended, and clears its folder after the job."""
        with suppress(OSError):
            handle, path = tempfile.mkstemp(prefix="mlops-tui-", suffix=".md", dir=self._folder)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(markdown)
            self._say(f"##vso[task.uploadsummary]{_escaped(os.path.abspath(path))}")  # noqa: PTH100 (a name, as it is)

    def _say(self, command: str) -> None:
        self._out.write(f"{command}\n")
        self._out.flush()


def _escaped(text: str) -> str:
    text = text.replace("%", "%AZP25").replace(";", "%3B")
    return text.replace("\r", "%0D").replace("\n", "%0A").replace("]", "%5D")
