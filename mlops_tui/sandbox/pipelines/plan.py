"""What a pipeline's file says, once it is read: the same for both hosts. Texts may hold expressions still."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from mlops_tui.sandbox.pipelines.expressions import Tree

Action = Literal["set-up", "run", "checkout", "python", "cache", "azure-cli", "upload", "download"]


@dataclass(frozen=True)
class Step:
    """One thing to do; `inputs` are the action's own."""

    line: int
    action: Action
    condition: Tree
    name: str = ""  # by which others speak of it
    title: str = ""
    usual_title: str = ""  # without one of its own
    inputs: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    continue_on_error: str = "false"
    minutes: str = ""
    folder: str = ""


@dataclass(frozen=True)
class Concurrency:
    """Of what has this name only one runs at a time."""

    group: str
    cancels_running: str = "false"
    keeps_order: bool = False  # all wait in line; else the newest alone does


@dataclass(frozen=True)
class Job:
    line: int
    name: str
    title: str
    condition: Tree
    steps: tuple[Step, ...]
    needs: tuple[str, ...] = ()
    pool: str = ""  # "" is a hosted one
    environment: str = ""
    url: str = ""  # of what the environment shows (GitHub)
    variables: tuple[tuple[str, str], ...] = ()  # in order: later ones may use earlier ones
    outputs: Mapping[str, str] = field(default_factory=dict)
    minutes: str = ""
    continue_on_error: str = "false"
    permissions: Mapping[str, str] = field(default_factory=dict)
    connections: tuple[str, ...] = ()
    concurrency: Concurrency | None = None


@dataclass(frozen=True)
class Stage:
    line: int
    name: str
    title: str
    condition: Tree
    jobs: tuple[Job, ...]
    needs: tuple[str, ...] = ()
    variables: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Parameter:
    """That a run can be given."""

    line: int
    name: str
    kind: str = "string"
    default: str | None = None  # None: must be given
    values: tuple[str, ...] = ()


@dataclass(frozen=True)
class Filter:
    """Patterns of names, the later ones stronger; one with "!" takes out what it fits.

    `**` goes over "/"; `*` does where it is `wide`. With `below` a folder's name fits all that is in it.
    """

    patterns: tuple[str, ...] = ()
    wide: bool = False
    below: bool = False

    def takes(self, name: str) -> bool:
        """True for any name where there are no patterns, or none but those that take out."""
        taken = all(pattern.startswith("!") for pattern in self.patterns)
        for pattern in self.patterns:
            if self._fits(pattern.removeprefix("!"), name):
                taken = not pattern.startswith("!")
        return taken

    def _fits(self, pattern: str, name: str) -> bool:
        signs = {"**/": "(?:.*/)?", "**": ".*", "*": ".*" if self.wide else "[^/]*"}
        written = pattern.strip("/") if self.below else pattern
        made = "".join(signs.get(part) or re.escape(part) for part in re.split(r"(\*\*/|\*\*|\*)", written))
        return re.fullmatch(made + ("(?:/.*)?" if self.below else ""), name) is not None


@dataclass(frozen=True)
class Trigger:
    """Of pushes."""

    branches: Filter = Filter()
    paths: Filter = Filter()

    def takes(self, branch: str, changed: list[str]) -> bool:
        return self.branches.takes(branch) and (not changed or any(self.paths.takes(path) for path in changed))


@dataclass(frozen=True)
class Plan:
    """`values` are the parameters that it was made with."""

    name: str
    stages: tuple[Stage, ...]
    trigger: Trigger | None
    parameters: tuple[Parameter, ...] = ()
    values: Mapping[str, Any] = field(default_factory=dict)
    variables: tuple[tuple[str, str], ...] = ()
    concurrency: Concurrency | None = None
    can_be_started: bool = True  # by hand

    def job(self, stage: str, name: str) -> tuple[Stage, Job]:
        """Raises StopIteration."""
        found = next(one for one in self.stages if one.name == stage)
        return found, next(job for job in found.jobs if job.name == name)

    def everything(self) -> Iterator[tuple[Stage, Job]]:
        for stage in self.stages:
            for job in stage.jobs:
                yield stage, job


def circle(needs: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Names that need each other, or []."""
    done: set[str] = set()
    while ready := [name for name, wanted in needs.items() if name not in done and done.issuperset(wanted)]:
        done.update(ready)
    return [name for name in needs if name not in done]
