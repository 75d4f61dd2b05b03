"""The expressions in Azure Resource Manager templates: "[concat(parameters('name'), '-vault')]".

The grammar and the functions are those of "ARM template functions"; of the functions those that templates of single
resources use. What is not here is refused by name, never guessed.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import uuid
from collections.abc import Callable, Mapping
from typing import Any

TOKEN = re.compile(r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<number>-?\d+)|(?P<name>[A-Za-z_]\w*)|(?P<sign>[()\[\],.]))")
NAMESPACE = uuid.UUID("11fb06fb-712d-4ddd-98c7-e71bbd588830")  # that Resource Manager's guid() works in


class TemplateError(Exception):
    """A template that cannot be read; the message is fit to be shown."""


class UnsupportedError(TemplateError):
    """A template that asks for what the sandbox does not have."""


Function = Callable[..., Any]


class Expressions:
    """Evaluates strings of a template with the functions given and the plain ones below."""

    def __init__(self, functions: Mapping[str, Function]) -> None:
        self._functions = {**PLAIN, **{name.lower(): function for name, function in functions.items()}}

    def value(self, written: Any) -> Any:
        """With all its expressions worked out, however deep they stand. Raises TemplateError."""
        if isinstance(written, dict):
            return {name: self.value(one) for name, one in written.items()}
        if isinstance(written, list):
            return [self.value(one) for one in written]
        if not isinstance(written, str) or not (written.startswith("[") and written.endswith("]")):
            return written
        return written[1:] if written.startswith("[[") else _Reader(written[1:-1], self._call).whole()

    def _call(self, name: str, arguments: list[Callable[[], Any]]) -> Any:
        if name.lower() == "if":  # the branch that is not taken may be about what is not there
            _need(len(arguments) == 3, "if() takes three arguments.")
            return arguments[1]() if arguments[0]() else arguments[2]()
        function = self._functions.get(name.lower())
        if function is None:
            raise UnsupportedError(f"The sandbox does not have the template function '{name}' (yet).")
        values = [one() for one in arguments]
        try:
            return function(*values)
        except (TypeError, ValueError, KeyError, IndexError) as error:
            raise TemplateError(f"The template function '{name}' cannot be worked out: {error}.") from error


class _Reader:
    """One expression, read from left to right; calls are put off until their values are needed."""

    def __init__(self, text: str, call: Callable[[str, list[Callable[[], Any]]], Any]) -> None:
        self._text, self._call = text, call
        self._at = 0

    def whole(self) -> Any:
        found = self._expression()
        _need(not self._text[self._at :].strip(), f"'{self._text}' is not a valid template expression.")
        return found()

    def _next(self, peek: bool = False) -> tuple[str, str]:
        """The kind and the text of the next token; two empty texts at the end."""
        if not self._text[self._at :].strip():
            return "", ""
        found = TOKEN.match(self._text, self._at)
        _need(found is not None, f"'{self._text}' is not a valid template expression.")
        assert found is not None
        if not peek:
            self._at = found.end()
        kind = found.lastgroup or ""
        return kind, found[kind]

    def _expect(self, sign: str) -> None:
        kind, text = self._next()
        _need(
            (kind, text) == ("sign", sign), f"'{self._text}' is not a valid template expression: '{sign}' is missing."
        )

    def _expression(self) -> Callable[[], Any]:
        kind, text = self._next()
        if kind == "text":
            literal = text[1:-1].replace("''", "'")
            return lambda: literal
        if kind == "number":
            return lambda: int(text)
        _need(kind == "name", f"'{self._text}' is not a valid template expression.")
        arguments = self._arguments()
        return self._followed(lambda: self._call(text, arguments))

    def _arguments(self) -> list[Callable[[], Any]]:
        self._expect("(")
        found: list[Callable[[], Any]] = []
        while self._next(peek=True) != ("sign", ")"):
            if found:
                self._expect(",")
            found.append(self._expression())
        self._expect(")")
        return found

    def _followed(self, value: Callable[[], Any]) -> Callable[[], Any]:
        """By .name and [index]."""
        while self._next(peek=True) in (("sign", "."), ("sign", "[")):
            if self._next() == ("sign", "."):
                kind, name = self._next()
                _need(kind == "name", f"'{self._text}' is not a valid template expression.")
                value = self._member(value, name)
            else:
                index = self._expression()
                self._expect("]")
                value = self._element(value, index)
        return value

    def _member(self, value: Callable[[], Any], name: str) -> Callable[[], Any]:
        return lambda: _of(value(), name, self._text)

    def _element(self, value: Callable[[], Any], index: Callable[[], Any]) -> Callable[[], Any]:
        return lambda: _of(value(), index(), self._text)


def _of(value: Any, key: Any, text: str) -> Any:
    try:
        return value[key]
    except (KeyError, IndexError, TypeError) as error:
        raise TemplateError(f"'{text}': there is no '{key}'.") from error


def _need(is_so: bool, otherwise: str) -> None:
    if not is_so:
        raise TemplateError(otherwise)


def _concat(*parts: Any) -> Any:
    if parts and isinstance(parts[0], list):
        return [one for part in parts for one in part]
    return "".join(str(part) for part in parts)


def _unique(*parts: Any) -> str:
    """13 letters and digits, always the same for the same parts."""
    digest = hashlib.sha256("-".join(map(str, parts)).encode()).digest()
    return base64.b32encode(digest).decode().lower()[:13]


def _format(text: str, *values: Any) -> str:
    return re.sub(r"\{(\d+)\}", lambda found: str(values[int(found[1])]), text)


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, str) and isinstance(other, str):
        return one.lower() == other.lower()
    return bool(one == other)


PLAIN: dict[str, Function] = {
    "and": lambda *values: all(values),
    "array": lambda value: value if isinstance(value, list) else [value],
    "bool": lambda value: str(value).lower() in ("true", "1"),
    "coalesce": lambda *values: next((value for value in values if value is not None), None),
    "concat": _concat,
    "contains": lambda whole, part: part in whole,
    "createarray": lambda *values: list(values),
    "createobject": lambda *values: dict(zip(values[::2], values[1::2], strict=True)),
    "empty": lambda value: not value,
    "equals": _same,
    "false": lambda: False,
    "format": _format,
    "guid": lambda *parts: str(uuid.uuid5(NAMESPACE, "-".join(map(str, parts)))),
    "int": int,
    "json": json.loads,
    "last": lambda value: value[-1],
    "first": lambda value: value[0],
    "length": len,
    "newguid": lambda: str(uuid.uuid4()),
    "not": lambda value: not value,
    "null": lambda: None,
    "or": lambda *values: any(values),
    "replace": lambda text, old, new: text.replace(old, new),
    "split": lambda text, mark: text.split(mark),
    "string": lambda value: value if isinstance(value, str) else json.dumps(value),
    "substring": lambda text, start, length=None: text[start : None if length is None else start + length],
    "take": lambda value, count: value[:count],
    "tolower": lambda text: text.lower(),
    "toupper": lambda text: text.upper(),
    "trim": lambda text: text.strip(),
    "true": lambda: True,
    "union": lambda *values: {name: one for value in values for name, one in value.items()},
    "uniquestring": _unique,
}
