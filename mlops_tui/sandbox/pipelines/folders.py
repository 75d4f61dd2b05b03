"""Where a run's things are, and the machine that a job finds: its folders, its programs, its environment.

A job's machine has nothing of the user's: a home of its own, and of the environment PATH, language and time zone alone.
`python`, `pip` and `mlops-tui` are the sandbox's own.
"""

from __future__ import annotations

import os
import shlex
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mlops_tui.sandbox.pipelines import leftovers

INHERITED = ("LANG", "LC_ALL", "TZ")
PACKAGE = Path(__file__).resolve().parents[3]  # the folder that has mlops_tui in it
PIP = "mlops_tui.sandbox.pipelines.pip_command"


@dataclass(frozen=True)
class RunFolder:
    """What is kept of a run."""

    root: Path

    def log(self, part_id: str) -> Path:
        return self.root / "logs" / f"{part_id}.log"

    def summary(self, job_id: str) -> Path:
        return self.root / "summaries" / f"{job_id}.md"

    @property
    def artifacts(self) -> Path:
        return self.root / "artifacts"


@dataclass(frozen=True)
class Machine:
    """A job's folders; hosts differ in where sources are below `root`."""

    root: Path
    workspace: Path  # Azure Pipelines' Pipeline.Workspace: the sources and what is downloaded
    sources: Path

    @property
    def home(self) -> Path:
        return self.root / "home"

    @property
    def temp(self) -> Path:
        return self.root / "work" / "_temp"

    @property
    def tools(self) -> Path:
        return self.root / "work" / "_tool"

    @property
    def programs(self) -> Path:
        return self.root / "programs"

    def prepare(self) -> None:
        for folder in (self.root, self.workspace, self.sources, self.home, self.temp, self.tools, self.programs):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name, text in _programs().items():
            place = self.programs / name
            place.write_text(text)
            place.chmod(0o700)

    def environment(self, practice: Mapping[str, str]) -> dict[str, str]:
        """`practice`: by which programs find the practice cloud."""
        return {
            **{name: os.environ[name] for name in INHERITED if name in os.environ},
            "PATH": os.pathsep.join([str(self.programs), os.environ.get("PATH", os.defpath)]),
            "HOME": str(self.home),
            leftovers.MARK: str(self.root),
            "TMPDIR": str(self.temp),
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PIP_NO_INDEX": "1",  # for a pip that is not ours: nothing is fetched
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_CONFIG_NOSYSTEM": "1",
            "NO_PROXY": "localhost,127.0.0.1",
            **practice,
        }


def practice(origin: str, authority: Path) -> dict[str, str]:
    """How a program finds the practice cloud and trusts it."""
    names = ("MLOPS_TUI_PRACTICE_CA", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "GIT_SSL_CAINFO", "CURL_CA_BUNDLE")
    return {"MLOPS_TUI_PRACTICE_ORIGIN": origin, **dict.fromkeys(names, str(authority))}


def _programs() -> dict[str, str]:
    """Small scripts by name. What runs mlops_tui finds the one that this sandbox is of."""
    python = shlex.quote(sys.executable)
    known = {Path(sysconfig.get_path(name)).resolve() for name in ("purelib", "platlib")}
    path = "" if PACKAGE in known else f'PYTHONPATH={shlex.quote(str(PACKAGE))}"${{PYTHONPATH:+:$PYTHONPATH}}" '
    pip = f'{path}exec {python} -m {PIP} "$@"\n'
    own = f'{path}exec {python} -m mlops_tui "$@"\n'
    either = f'if [ "$1" = -m ] && [ "$2" = pip ]; then\n  shift 2\n  {pip}fi\nexec {python} "$@"\n'
    first = "#!/bin/sh\n"
    return {
        **dict.fromkeys(("python", "python3"), first + either),
        **dict.fromkeys(("pip", "pip3"), first + pip),
        "mlops-tui": first + own,
    }
