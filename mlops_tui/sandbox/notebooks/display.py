"""What a notebook finds besides dbutils: display, displayHTML and, in place of Spark, an explanation."""

from __future__ import annotations

import re
from typing import Any, NoReturn

_TAGS = re.compile(r"<(script|style)\b.*?</\1>|<[^>]+>", re.DOTALL | re.IGNORECASE)


def display(value: Any = None, *_: Any, **__: Any) -> None:
    """Show a table or a value as text; a figure by its size."""
    if hasattr(value, "get_size_inches"):
        width, height = value.get_size_inches() * value.dpi
        print(f"<Figure {width:.0f}x{height:.0f}>")  # noqa: T201 (a notebook's output)
    elif hasattr(value, "to_string") and hasattr(value, "head"):
        print(value.head(1000).to_string())  # noqa: T201 (as there: the first 1000 rows)
    elif value is not None:
        print(value)  # noqa: T201


def display_html(html: str) -> None:
    """The text of an HTML page: the output here is a log."""
    text = _TAGS.sub(" ", str(html))
    print(re.sub(r"\s*\n\s*", "\n", re.sub(r"[ \t]+", " ", text)).strip())  # noqa: T201


class SparkNotHereError(RuntimeError):
    """A notebook uses Spark."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what}: Spark is not in the sandbox. Read files with pandas ('/dbfs/...', '/Volumes/...'),"
            " or run this notebook on a real cluster."
        )


class SparkNotHere:
    """Stands where spark, sc, sql stand. False, so that `if spark:` works; any use says what is the matter."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return f"<{self._name}: not in the sandbox>"

    def __call__(self, *_: Any, **__: Any) -> NoReturn:
        raise SparkNotHereError(f"{self._name}(...)")

    def __getattr__(self, attribute: str) -> NoReturn:
        if attribute.startswith("_"):  # asked by Python itself and by whoever inspects objects
            raise AttributeError(attribute)
        raise SparkNotHereError(f"{self._name}.{attribute}")
