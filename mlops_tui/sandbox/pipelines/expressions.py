"""The expressions of both hosts, as far as they are alike: how they are read, and the tree that they make.

GitHub has operators (GitHub, "Evaluate expressions in workflows and actions"), Azure Pipelines functions in their place
(Microsoft, "Expressions"). What the values mean is told by `azure_expressions` and `github_expressions`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<number>-?(?:0x[0-9a-fA-F]+|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?))"
    r"|(?P<name>[A-Za-z_][\w-]*)|(?P<sign>&&|\|\||==|!=|<=|>=|[()\[\],.!<>*]))"
)
PLACE = re.compile(r"\$\{\{((?:[^'}]|'[^']*'|\}(?!\}))*)\}\}")  # ${{ … }} in a text
LONGEST = 20_000  # characters, as GitHub has it
DEEPEST = 50
STRENGTH = {"||": 1, "&&": 2, "==": 3, "!=": 3, "<": 4, "<=": 4, ">": 4, ">=": 4}


class ExpressionError(Exception):
    """An expression that cannot be read or worked out; the message is fit to be shown."""


@dataclass(frozen=True)
class Literal:
    value: Any


@dataclass(frozen=True)
class Name:
    """A context (`github`, `variables`)."""

    name: str


@dataclass(frozen=True)
class Member:
    """`whole.key` or `whole[key]`."""

    whole: Tree
    key: Tree


@dataclass(frozen=True)
class Call:
    """Of a function, or of an operator under its own sign."""

    name: str
    arguments: tuple[Tree, ...]


Tree = Literal | Name | Member | Call
Function = Callable[..., Any]


def read(text: str, operators: bool) -> Tree:
    """Raises ExpressionError."""
    if len(text) > LONGEST:
        raise ExpressionError(f"the expression is longer than {LONGEST} characters")
    return _Reader(text, operators).whole()


def parts(tree: Tree) -> Iterator[Tree]:
    """The tree and all that is in it."""
    yield tree
    if isinstance(tree, Member):
        yield from parts(tree.whole)
        yield from parts(tree.key)
    elif isinstance(tree, Call):
        for argument in tree.arguments:
            yield from parts(argument)


def calls(tree: Tree) -> set[str]:
    """The functions that it calls, in lower case."""
    return {part.name.lower() for part in parts(tree) if isinstance(part, Call)}


def contexts(tree: Tree) -> set[str]:
    return {part.name.lower() for part in parts(tree) if isinstance(part, Name)}


def places(text: str) -> list[str]:
    """What stands in each ${{ }} of a text. Raises ExpressionError where one is not closed."""
    if "${{" in PLACE.sub("", text):
        raise ExpressionError("a '${{' has no '}}'")
    return [found[1].strip() for found in PLACE.finditer(text)]


def member(whole: Any, key: Any) -> Any:
    """Names are compared without their case; None for what is not there, as on both hosts."""
    if isinstance(whole, Mapping):
        wanted = str(key).lower()
        return next((value for name, value in whole.items() if name.lower() == wanted), None)
    if isinstance(whole, list) and isinstance(key, int | float) and 0 <= key < len(whole):
        return whole[int(key)]
    return None


class _Reader:
    """One expression, read from left to right."""

    def __init__(self, text: str, operators: bool) -> None:
        self._text = text.strip()
        self._operators = operators
        self._at = 0
        self._depth = 0

    def whole(self) -> Tree:
        found = self._binary(1)
        if self._at < len(self._text):
            raise self._wrong(f"unexpected '{self._text[self._at :].strip()}'")
        return found

    def _wrong(self, why: str) -> ExpressionError:
        return ExpressionError(f"'{self._text}' is not a valid expression: {why}")

    def _peek(self) -> tuple[str, str]:
        """The kind and the text of the next token; two empty texts at the end."""
        found = TOKEN.match(self._text, self._at)
        if not found:
            if self._text[self._at :].strip():
                raise self._wrong(f"unexpected '{self._text[self._at :].strip()}'")
            return "", ""
        kind = found.lastgroup or ""
        return kind, found[kind]

    def _next(self) -> tuple[str, str]:
        token = self._peek()
        found = TOKEN.match(self._text, self._at)
        self._at = found.end() if found else len(self._text)
        return token

    def _expect(self, sign: str) -> None:
        if self._next() != ("sign", sign):
            raise self._wrong(f"'{sign}' is missing")

    def _binary(self, strength: int) -> Tree:
        left = self._unary()
        while True:
            kind, sign = self._peek()
            own = STRENGTH.get(sign, 0) if kind == "sign" and self._operators else 0
            if own < strength:
                return left
            self._next()
            left = Call(sign, (left, self._binary(own + 1)))

    def _unary(self) -> Tree:
        self._depth += 1
        if self._depth > DEEPEST:
            raise self._wrong(f"it is nested more than {DEEPEST} deep")
        try:
            if self._operators and self._peek() == ("sign", "!"):
                self._next()
                return Call("!", (self._unary(),))
            return self._followed(self._primary())
        finally:
            self._depth -= 1

    def _primary(self) -> Tree:
        kind, text = self._next()
        if kind == "text":
            return Literal(text[1:-1].replace("''", "'"))
        if kind == "number":
            return Literal(number(text))
        if (kind, text) == ("sign", "("):
            found = self._binary(1)
            self._expect(")")
            return found
        if kind != "name":
            raise self._wrong(f"unexpected '{text}'" if text else "it ends too early")
        if self._peek() == ("sign", "("):
            return Call(text, self._arguments())
        constants = {"true": True, "false": False, "null": None}
        return Literal(constants[text.lower()]) if text.lower() in constants else Name(text)

    def _arguments(self) -> tuple[Tree, ...]:
        self._expect("(")
        found: list[Tree] = []
        while self._peek() != ("sign", ")"):
            if found:
                self._expect(",")
            found.append(self._binary(1))
        self._expect(")")
        return tuple(found)

    def _followed(self, tree: Tree) -> Tree:
        while self._peek() in (("sign", "."), ("sign", "[")):
            if self._next() == ("sign", "."):
                kind, name = self._next()
                if kind != "name":
                    raise self._wrong(f"unexpected '{name}' after '.'")
                tree = Member(tree, Literal(name))
            else:
                tree = Member(tree, self._binary(1))
                self._expect("]")
        return tree


def number(text: str) -> int | float:
    """Raises ValueError."""
    if text.lstrip("-").lower().startswith("0x"):
        return int(text, 16)
    value = float(text)
    return int(value) if value.is_integer() else value
