"""Pages of a listing, with opaque tokens. A token names the last key shown, so rows that come or go shift no page."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from mlops_tui.sandbox.dialects import Dialect

Row = TypeVar("Row")


def page(
    rows: Sequence[Row], size: int, token: str, key: Callable[[Row], str], dialect: Dialect
) -> tuple[list[Row], str]:
    """The page after `token` of rows sorted by falling key, and the token of the next one ("" at the end)."""
    if token:
        last = _decode(token, dialect)
        rows = [row for row in rows if key(row) < last]
    shown = list(rows[:size])
    return shown, _encode(key(shown[-1])) if len(rows) > size else ""


def slice_page(rows: Sequence[Row], size: int, token: str, dialect: Dialect) -> tuple[list[Row], str]:
    """A page of rows whose places never change (the tasks of one job), by offset."""
    start = _decode(token, dialect) if token else "0"
    if not start.isdecimal():
        raise dialect.malformed("Invalid page token.")
    following = int(start) + size
    return list(rows[int(start) : following]), _encode(str(following)) if len(rows) > following else ""


def whole_number(dialect: Dialect, given: Mapping[str, Any], name: str, default: int, low: int, high: int) -> int:
    """A number of the query, or of the body, within bounds; the dialect's 400 otherwise."""
    value = given.get(name)
    text = "" if value is None else str(value)
    if not text:
        return default
    if not text.removeprefix("-").isdecimal() or not low <= int(text) <= high:
        raise dialect.malformed(f"Invalid {name}: {text}. It must be an integer from {low} to {high}.")
    return int(text)


def _encode(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).decode()


def _decode(token: str, dialect: Dialect) -> str:
    try:
        return base64.urlsafe_b64decode(token.encode()).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise dialect.malformed("Invalid page token.") from error
