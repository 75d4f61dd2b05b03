"""GitHub's expressions: what their values mean (GitHub, "Evaluate expressions in workflows and actions")."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from mlops_tui.sandbox.pipelines import expressions
from mlops_tui.sandbox.pipelines.expressions import Call, ExpressionError, Function, Literal, Member, Name, Tree

STATUS = ("success", "failure", "always", "cancelled")
CONTEXTS = ("github", "inputs", "vars", "secrets", "env", "needs", "steps", "runner", "job")
OPERATORS = ("==", "!=", "<", "<=", ">", ">=", "&&", "||", "!")


def read(text: str) -> Tree:
    """An expression without its ${{ }}, of which all names are known. Raises ExpressionError."""
    tree = expressions.read(text, operators=True)
    for name in sorted(expressions.calls(tree) - set(OPERATORS)):
        if name not in PLAIN and name not in (*STATUS, "hashfiles"):
            raise ExpressionError(f"the function '{name}': not known to the practice cloud")
    for name in sorted(expressions.contexts(tree)):
        if name not in CONTEXTS:
            raise ExpressionError(f"the context '{name}': not known to the practice cloud")
    return tree


def read_condition(text: str) -> Tree:
    """Of `if`, where ${{ }} may be left out. Without a status function it means success() and that."""
    stripped = text.strip()
    found = expressions.PLACE.fullmatch(stripped)
    if not found and expressions.places(stripped):
        raise ExpressionError("an 'if' is one expression, with or without ${{ }} around the whole of it")
    tree = read(found[1] if found else stripped)
    if expressions.calls(tree).isdisjoint(STATUS):
        return Call("&&", (Call("success", ()), tree))
    return tree


class Evaluator:
    """Works expressions out with the contexts and the functions of one place."""

    def __init__(self, contexts: Mapping[str, Any], functions: Mapping[str, Function]) -> None:
        self._contexts = contexts
        self._functions = {**PLAIN, **functions}

    def text(self, written: str) -> str:
        """With all its ${{ }} worked out. Raises ExpressionError."""
        expressions.places(written)
        return expressions.PLACE.sub(lambda found: text(self.value(read(found[1]))), written)

    def holds(self, condition: Tree) -> bool:
        return truth(self.value(condition))

    def value(self, tree: Tree) -> Any:
        if isinstance(tree, Literal):
            return tree.value
        if isinstance(tree, Name):
            return self._contexts.get(tree.name.lower())
        if isinstance(tree, Member):
            return expressions.member(self.value(tree.whole), self.value(tree.key))
        return self._call(tree.name.lower(), tree.arguments)

    def _call(self, name: str, arguments: tuple[Tree, ...]) -> Any:
        if name in ("&&", "||"):
            left = self.value(arguments[0])
            return self.value(arguments[1]) if truth(left) == (name == "&&") else left
        values = [self.value(argument) for argument in arguments]
        if name not in self._functions:
            raise ExpressionError(f"the function '{name}' cannot be called here")
        try:
            return self._functions[name](*values)
        except (TypeError, ValueError, IndexError) as error:
            raise ExpressionError(f"the function '{name}' cannot be worked out: {error}") from error


def truth(value: Any) -> bool:
    """False, 0, an empty text and null are not true; all else is."""
    return not (
        value is None or value is False or value == "" or (_is_number(value) and (value == 0 or value != value))
    )


def text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, Mapping):
        return "Object"
    return "Array" if isinstance(value, list) else str(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(value: Any) -> float:
    if value is None or value == "":
        return 0
    if isinstance(value, str):
        try:
            return expressions.number(value.strip())
        except ValueError:
            return math.nan
    return float(value) if isinstance(value, int | float) else math.nan


def _equal(one: Any, other: Any) -> bool:
    """Texts without their case; of two kinds, as numbers."""
    if isinstance(one, str) and isinstance(other, str):
        return one.lower() == other.lower()
    if isinstance(one, Mapping | list) or isinstance(other, Mapping | list):
        return one is other
    if one is None and other is None:
        return True
    return _number(one) == _number(other)


def _less(one: Any, other: Any) -> bool:
    if isinstance(one, str) and isinstance(other, str):
        return one.lower() < other.lower()
    return _number(one) < _number(other)


def _contains(whole: Any, part: Any) -> bool:
    if isinstance(whole, list):
        return any(_equal(item, part) for item in whole)
    return text(part).lower() in text(whole).lower()


def _format(pattern: str, *values: Any) -> str:
    def put(found: re.Match[str]) -> str:
        return found[0][0] if found[0] in ("{{", "}}") else text(values[int(found[1])])

    return re.sub(r"\{\{|\}\}|\{(\d+)\}", put, pattern)


def _join(values: Any, mark: str = ",") -> str:
    return mark.join(map(text, values)) if isinstance(values, list) else text(values)


PLAIN: dict[str, Function] = {
    "==": _equal,
    "!=": lambda one, other: not _equal(one, other),
    "<": _less,
    "<=": lambda one, other: _less(one, other) or _equal(one, other),
    ">": lambda one, other: _less(other, one),
    ">=": lambda one, other: _less(other, one) or _equal(one, other),
    "!": lambda value: not truth(value),
    "contains": _contains,
    "startswith": lambda whole, part: text(whole).lower().startswith(text(part).lower()),
    "endswith": lambda whole, part: text(whole).lower().endswith(text(part).lower()),
    "format": _format,
    "join": _join,
    "fromjson": lambda value: json.loads(text(value)),
    "tojson": lambda value: json.dumps(value, indent=2),
}
