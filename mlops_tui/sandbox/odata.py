"""OData query options as Graph and Azure Resource Manager take them: $filter, $select and paging with $top.

The grammar is the part of OData 4.0 that the Azure CLI and the SDKs send: comparisons with `eq`, `ne` and `in`,
`startswith`, `endswith`, `any`, joined by `and`, `or`, `not` and parentheses.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlencode

Entity = dict[str, Any]
Test = Callable[[Entity], bool]

TOKEN = re.compile(r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<name>[A-Za-z_@][\w./@-]*|\d[\w-]*)|(?P<mark>[(),:]))")


class FilterError(ValueError):
    """The $filter cannot be understood; the message says where."""


def matching(entities: Iterable[Entity], text: str) -> list[Entity]:
    """Those entities that a $filter lets through; all, where it is empty. Raises FilterError."""
    if not text.strip():
        return list(entities)
    test = _Parser(text).parse()
    return [entity for entity in entities if test(entity)]


def select(entity: Entity, names: str) -> Entity:
    """What $select leaves of an entity; annotations stay."""
    if not names:
        return entity
    wanted = {name.strip() for name in names.split(",")}
    return {name: value for name, value in entity.items() if name in wanted or name.startswith("@")}


def page(entities: list[Entity], query: dict[str, str], url: str, size: int) -> Entity:
    """One page of a collection as `value`, and the link to the next one where there is more.

    `size` is what the service gives unasked; $top asks for another. The $skiptoken counts entities.
    """
    top = int(query.get("$top") or size)
    start = int(query.get("$skiptoken") or 0)
    body: Entity = {"value": entities[start : start + top]}
    if len(entities) > start + top:
        body["@odata.nextLink"] = f"{url}?{urlencode(query | {'$skiptoken': str(start + top)})}"
    return body


class _Parser:
    """A recursive descent over the tokens of one filter; each method returns the test it has read."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = self._split(text)
        self._at = 0

    def _split(self, text: str) -> list[str]:
        tokens, at = [], 0
        while text[at:].strip():
            found = TOKEN.match(text, at)
            if found is None:
                raise FilterError(f"Syntax error at position {at} in '{text}'.")
            tokens.append(found[0].strip())
            at = found.end()
        return tokens

    def parse(self) -> Test:
        test = self._either()
        if self._at < len(self._tokens):
            raise self._unexpected()
        return test

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _next(self, wanted: str = "") -> str:
        token = self._peek()
        if not token or (wanted and token != wanted):
            raise self._unexpected()
        self._at += 1
        return token

    def _unexpected(self) -> FilterError:
        return FilterError(f"Syntax error at '{self._peek() or 'the end'}' in '{self._text}'.")

    def _either(self) -> Test:
        tests = [self._all()]
        while self._peek() == "or":
            self._next()
            tests.append(self._all())
        return lambda entity: any(test(entity) for test in tests)

    def _all(self) -> Test:
        tests = [self._one()]
        while self._peek() == "and":
            self._next()
            tests.append(self._one())
        return lambda entity: all(test(entity) for test in tests)

    def _one(self) -> Test:
        word = self._next()
        if word == "not":
            test = self._one()
            return lambda entity: not test(entity)
        if word == "(":
            test = self._either()
            self._next(")")
            return test
        if word in ("startswith", "endswith"):
            return self._text_test(word)
        if word.endswith("/any"):
            return self._any(word.removesuffix("/any"))
        return self._comparison(word)

    def _comparison(self, field: str) -> Test:
        operator = self._next()
        if operator == "in":
            values = [_fold(value) for value in self._list()]
            return lambda entity: _fold(_value(entity, field)) in values
        if operator not in ("eq", "ne"):
            raise FilterError(f"The operator '{operator}' is not supported in '{self._text}'.")
        wanted = _fold(_literal(self._next()))
        return lambda entity: (_fold(_value(entity, field)) == wanted) == (operator == "eq")

    def _list(self) -> list[Any]:
        self._next("(")
        values = [_literal(self._next())]
        while self._peek() == ",":
            self._next()
            values.append(_literal(self._next()))
        self._next(")")
        return values

    def _text_test(self, function: str) -> Test:
        self._next("(")
        field = self._next()
        self._next(",")
        part = str(_literal(self._next())).lower()
        self._next(")")
        if function == "startswith":
            return lambda entity: str(_value(entity, field) or "").lower().startswith(part)
        return lambda entity: str(_value(entity, field) or "").lower().endswith(part)

    def _any(self, field: str) -> Test:
        """`names/any(n:n eq 'x')`, and `items/any(i:i/name eq 'x')`."""
        self._next("(")
        variable = self._next()
        self._next(":")
        inner = self._either()
        self._next(")")

        def test(entity: Entity) -> bool:
            items = _value(entity, field) or []
            return any(inner({variable: item}) for item in items)

        return test


def _value(entity: Entity, path: str) -> Any:
    value: Any = entity
    for name in path.split("/"):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _literal(token: str) -> Any:
    if token.startswith("'"):
        return token[1:-1].replace("''", "'")
    return {"true": True, "false": False, "null": None}.get(token, token)


def _fold(value: Any) -> Any:
    """Both services compare text without regard to case."""
    return value.lower() if isinstance(value, str) else value
