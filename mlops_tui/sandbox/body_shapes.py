"""Whether a request's body is built as it must be, before anybody looks at what it says."""

from __future__ import annotations

from typing import Any

from mlops_tui.sandbox.dialects import ARM

Shape = (
    Any  # {} is an object, {"name": shape} one with a part; [shape] a list; str a text. Parts may be missing or null
)


def check_shape(value: Any, shape: Shape, where: str = "") -> None:
    """Raises InvalidRequestContent, which names the place."""
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            raise _wrong(where, "an object")
        for name, part in shape.items():
            if value.get(name) is not None:
                check_shape(value[name], part, f"{where}.{name}".lstrip("."))
    elif isinstance(shape, list):
        if not isinstance(value, list):
            raise _wrong(where, "a list")
        for number, item in enumerate(value):
            check_shape(item, shape[0], f"{where}[{number}]")
    elif not isinstance(value, str):
        raise _wrong(where, "a string")


def _wrong(where: str, what: str) -> Exception:
    message = f"The request content was invalid and could not be deserialized: '{where}' must be {what}."
    return ARM.error(400, "InvalidRequestContent", message)
