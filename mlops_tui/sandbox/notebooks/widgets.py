"""dbutils.widgets: a run's parameters win over the defaults that the notebook gives.

Databricks documentation, "Databricks widgets" and "dbutils.widgets".
"""

# Names are the platform's.
# ruff: noqa: N802, N803, N818
from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class InputWidgetNotDefined(Exception):
    """The notebook reads a widget that it has not made and that no parameter fills."""

    __module__ = "com.databricks.dbutils_v1"

    def __init__(self, name: str) -> None:
        super().__init__(f"No input widget named {name} is defined")


class Widgets:
    """Names as on the platform; every value is a text."""

    def __init__(self, parameters: dict[str, str], defined: dict[str, str] | None = None) -> None:
        self.parameters = dict(parameters)
        self.defined = dict(defined or {})

    def text(self, name: str, defaultValue: Any = "", label: str | None = None) -> None:
        self.defined.setdefault(name, str(defaultValue))

    def dropdown(self, name: str, defaultValue: Any, choices: Sequence[Any], label: str | None = None) -> None:
        if str(defaultValue) not in map(str, choices):
            raise ValueError(
                f"The default value {defaultValue!r} of the dropdown widget {name!r} must be in its choices"
            )
        self.text(name, defaultValue)

    def combobox(self, name: str, defaultValue: Any, choices: Sequence[Any], label: str | None = None) -> None:
        self.text(name, defaultValue)

    def multiselect(self, name: str, defaultValue: Any, choices: Sequence[Any], label: str | None = None) -> None:
        self.dropdown(name, defaultValue, choices)

    def get(self, name: str) -> str:
        if name in self.parameters:
            return self.parameters[name]
        if name in self.defined:
            return self.defined[name]
        raise InputWidgetNotDefined(name)

    def getArgument(self, name: str, defaultValue: str | None = None) -> str:
        if defaultValue is not None and name not in self.parameters:
            return self.defined.get(name, defaultValue)
        return self.get(name)

    def getAll(self) -> dict[str, str]:
        return {**self.defined, **self.parameters}

    def remove(self, name: str) -> None:
        if name not in self.defined:
            raise InputWidgetNotDefined(name)
        del self.defined[name]

    def removeAll(self) -> None:
        self.defined.clear()
