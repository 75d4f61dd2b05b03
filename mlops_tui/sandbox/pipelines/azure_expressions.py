"""Azure Pipelines' expressions: what their values mean (Microsoft, "Expressions", type casting and functions)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from mlops_tui.sandbox.pipelines import expressions
from mlops_tui.sandbox.pipelines.expressions import Call, ExpressionError, Function, Literal, Member, Name, Tree

STATUS = ("always", "canceled", "failed", "succeeded", "succeededorfailed")
RUNTIME = re.compile(r"\$\[(.*)\]", re.DOTALL)  # a variable's whole value
SUCCEEDED = Call("succeeded", ())  # what a condition is where none is given


def read(text: str, contexts: tuple[str, ...], functions: tuple[str, ...] = ()) -> Tree:
    """An expression of which all names are known. Raises ExpressionError."""
    tree = expressions.read(text, operators=False)
    for name in sorted(expressions.calls(tree)):
        if name not in PLAIN and name not in LAZY and name not in functions:
            raise ExpressionError(f"the function '{name}': not known to the practice cloud")
    for name in sorted(expressions.contexts(tree)):
        if name not in contexts:
            raise ExpressionError(f"'{name}' in an expression: not known to the practice cloud here")
    return tree


def read_condition(text: str) -> Tree:
    """Of a stage, a job or a step; an empty one means succeeded(). Raises ExpressionError."""
    if not text.strip():
        return SUCCEEDED
    return read(text, ("variables", "dependencies", "stagedependencies"), STATUS)


class Evaluator:
    """Works expressions out with the contexts and the functions of one place. Names in lower case."""

    def __init__(self, contexts: Mapping[str, Any], functions: Mapping[str, Function] | None = None) -> None:
        self._contexts = contexts
        self._functions = {**PLAIN, **(functions or {})}

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
        try:
            if name in LAZY:
                return LAZY[name](*((lambda tree=tree: self.value(tree)) for tree in arguments))
            if name not in self._functions:
                raise ExpressionError(f"the function '{name}' cannot be called here")
            return self._functions[name](*(self.value(tree) for tree in arguments))
        except (TypeError, ValueError, IndexError) as error:
            raise ExpressionError(f"the function '{name}' cannot be worked out: {error}") from error


def truth(value: Any) -> bool:
    """Of texts only the empty one is not true."""
    return bool(value)


def text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Mapping | list):
        raise ExpressionError("an object has no text")
    return str(value)  # True and False with a capital letter, as there


def _as(kind: Any, value: Any) -> Any:
    """A value as one of that other one's kind. Raises ValueError where there is no way."""
    if kind is None:
        if value in (None, ""):
            return None
        raise ValueError(value)
    if isinstance(kind, bool):
        return truth(value)
    if isinstance(kind, str):
        return text(value)
    if isinstance(kind, int | float):
        return 0 if value in (None, "") else expressions.number(str(int(value) if isinstance(value, bool) else value))
    return value


def _equal(one: Any, other: Any) -> bool:
    """The right one is made one of the left one's kind; texts are compared without their case."""
    try:
        other = _as(one, other)
    except (ValueError, ExpressionError):
        return False
    return bool(one.lower() == other.lower() if isinstance(one, str) else one == other)


def _less(one: Any, other: Any) -> bool:
    other = _as(one, other)
    return bool(one.lower() < other.lower() if isinstance(one, str) else (one or 0) < (other or 0))


def _contains(whole: Any, part: Any) -> bool:
    return text(part).lower() in text(whole).lower()


def _format(pattern: str, *values: Any) -> str:
    def put(found: re.Match[str]) -> str:
        return found[0][0] if found[0] in ("{{", "}}") else text(values[int(found[1])])

    return re.sub(r"\{\{|\}\}|\{(\d+)\}", put, pattern)


def _in(one: Any, *others: Any) -> bool:
    return any(_equal(one, other) for other in others)


Later = Callable[[], Any]
LAZY: dict[str, Callable[..., Any]] = {
    "and": lambda *values: all(truth(value()) for value in values),
    "or": lambda *values: any(truth(value()) for value in values),
    "iif": lambda condition, one, other: one() if truth(condition()) else other(),
}
PLAIN: dict[str, Function] = {
    "coalesce": lambda *values: next((value for value in values if value not in (None, "")), None),
    "contains": _contains,
    "endswith": lambda whole, part: text(whole).lower().endswith(text(part).lower()),
    "eq": _equal,
    "format": _format,
    "ge": lambda one, other: not _less(one, other),
    "gt": lambda one, other: not _less(one, other) and not _equal(one, other),
    "in": _in,
    "join": lambda mark, values: mark.join(map(text, values)) if isinstance(values, list) else text(values),
    "le": lambda one, other: _less(one, other) or _equal(one, other),
    "length": lambda value: len(value if isinstance(value, list) else text(value)),
    "lower": lambda value: text(value).lower(),
    "lt": _less,
    "ne": lambda one, other: not _equal(one, other),
    "not": lambda value: not truth(value),
    "notin": lambda one, *others: not _in(one, *others),
    "replace": lambda whole, old, new: text(whole).replace(text(old), text(new)),
    "startswith": lambda whole, part: text(whole).lower().startswith(text(part).lower()),
    "trim": lambda value: text(value).strip(),
    "upper": lambda value: text(value).upper(),
    "xor": lambda one, other: truth(one) != truth(other),
}
