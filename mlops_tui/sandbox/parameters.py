"""Reading numbers out of queries and bodies."""

from __future__ import annotations

from mlops_tui.sandbox.api import Call


def whole_number(call: Call, name: str, default: int) -> int:
    """A whole number that the query (GET) or the JSON body may have; the dialect's 400 where it is none."""
    value = (call.query if call.method in ("GET", "HEAD") else call.json()).get(name)
    if value in (None, ""):
        return default
    try:
        return int(str(value))
    except ValueError as error:
        raise call.dialect.malformed(f"Could not parse {name}: expected a whole number, not {value!r}.") from error
