"""The parameters of an Azure pipeline: what the file declares, and the values that a run has (Microsoft, "Runtime
parameters")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlops_tui.sandbox.pipelines import expressions
from mlops_tui.sandbox.pipelines.plan import Parameter
from mlops_tui.sandbox.pipelines.yaml_file import Node

KINDS = ("string", "number", "boolean")


def declared(node: Node | None) -> tuple[Parameter, ...]:
    return tuple(_one(item) for item in node.items("parameters")) if node else ()


def _one(item: Node) -> Parameter:
    fields = item.fields("a parameter", ("name", "displayName", "type", "default", "values"))
    if "name" not in fields:
        raise item.refuse("a parameter has no name")
    kind = fields["type"].text("type") if "type" in fields else "string"
    if kind not in KINDS:
        raise fields["type"].unknown(f"the type '{kind}' of a parameter")
    allowed = tuple(fields["values"].words("values")) if "values" in fields else ()
    default = fields["default"].text("default") if "default" in fields else None
    made = Parameter(item.line, fields["name"].text("name"), kind, default, allowed)
    try:
        if default is not None:
            _value(made, default)
    except ValueError as error:
        raise item.refuse(str(error)) from error
    return made


def values(parameters: tuple[Parameter, ...], given: Mapping[str, str] | None) -> dict[str, Any]:
    """By name. None: any values will do. Raises ValueError for what is not declared, not given, or not allowed."""
    by_name = {one.name.lower(): one for one in parameters}
    unexpected = [name for name in given or {} if name.lower() not in by_name]
    if unexpected:
        raise ValueError(f"Unexpected parameter '{unexpected[0]}'")
    chosen = {name.lower(): value for name, value in (given or {}).items()}
    found: dict[str, Any] = {}
    for key, parameter in by_name.items():
        value = chosen.get(key, parameter.default)
        if value is None and given is None:
            found[parameter.name] = _any(parameter)
        elif value is None:
            raise ValueError(f"A value for the '{parameter.name}' parameter must be provided.")
        else:
            found[parameter.name] = _value(parameter, value)
    return found


def _any(parameter: Parameter) -> Any:
    return _value(parameter, (parameter.values or ({"number": "0", "boolean": "false"}.get(parameter.kind, ""),))[0])


def _value(parameter: Parameter, text: str) -> Any:
    if parameter.values and text not in parameter.values:
        allowed = ", ".join(parameter.values)
        raise ValueError(f"Parameter '{parameter.name}' value '{text}' is not a valid value. Allowed values: {allowed}")
    if parameter.kind == "boolean":
        if text.lower() not in ("true", "false"):
            raise ValueError(f"The '{parameter.name}' parameter value '{text}' is not a valid Boolean.")
        return text.lower() == "true"
    if parameter.kind == "number":
        try:
            return expressions.number(text)
        except ValueError as error:
            raise ValueError(f"The '{parameter.name}' parameter value '{text}' is not a valid Number.") from error
    return text
