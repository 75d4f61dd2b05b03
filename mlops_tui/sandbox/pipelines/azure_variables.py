"""The variables of an Azure pipeline's job: $(names), and what of them is in the environment (Microsoft, "Define
variables")."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mlops_tui.sandbox.pipelines import azure_expressions
from mlops_tui.sandbox.pipelines.azure_expressions import Evaluator

MACRO = re.compile(r"\$\(([^()$\n]+)\)")
DEEPEST = 10  # a variable that stands in a variable that stands in one …
SIGNS = re.compile(r"[. ]")


@dataclass(frozen=True)
class Variable:
    name: str
    value: str
    secret: bool = False
    fixed: bool = False  # steps may not set it


class Variables:
    """Names are compared without their case. An unknown $(name) stays as it is written, as on the host."""

    def __init__(self, facts: Mapping[str, str], others: Mapping[str, str]) -> None:
        """`facts` is an environment that the host gives: BUILD_BUILDID is Build.BuildId."""
        self._all: dict[str, Variable] = {}
        for name, value in others.items():
            self.set(name, value)
        for name, value in facts.items():
            self.set(name.replace("_", "."), value, fixed=True)

    def set(self, name: str, value: str, secret: bool = False, fixed: bool = False) -> None:
        self._all[name.lower()] = Variable(name, value, secret, fixed)

    def add(self, written: Iterable[tuple[str, str]], contexts: Mapping[str, object]) -> None:
        """Those of a file; $[ ] is worked out now. Raises ExpressionError."""
        for name, value in written:
            if found := azure_expressions.RUNTIME.fullmatch(value):
                tree = azure_expressions.read_condition(found[1])
                worked = Evaluator({**contexts, "variables": self.values()}).value(tree)
                self.set(name, azure_expressions.text(worked))
            else:
                self.set(name, value)

    def find(self, name: str) -> Variable | None:
        return self._all.get(name.lower())

    def values(self) -> dict[str, str]:
        """For expressions; secrets are not there."""
        return {one.name: self.text(one.value) for one in self._all.values() if not one.secret}

    def text(self, written: str, depth: int = 0) -> str:
        """With its $(names) replaced."""

        def put(found: re.Match[str]) -> str:
            one = self.find(found[1].strip())
            return found[0] if one is None or depth >= DEEPEST else self.text(one.value, depth + 1)

        return MACRO.sub(put, written)

    def environment(self) -> dict[str, str]:
        """Names in capitals, `.` and spaces as `_`. Without secrets: those are mapped one by one, by `env`."""
        shown = (one for one in self._all.values() if not one.secret)
        return {SIGNS.sub("_", one.name).upper(): self.text(one.value) for one in shown}
