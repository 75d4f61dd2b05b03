"""The inputs of a workflow that is started by hand (GitHub, "Workflow syntax": on.workflow_dispatch.inputs)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlops_tui.sandbox.pipelines import expressions
from mlops_tui.sandbox.pipelines.github_texts import text
from mlops_tui.sandbox.pipelines.plan import Parameter
from mlops_tui.sandbox.pipelines.yaml_file import Node, Scalar

KINDS = {"string": "string", "choice": "string", "environment": "string", "boolean": "boolean", "number": "number"}


def declared(node: Node | None) -> tuple[Parameter, ...]:
    if node is None:
        return ()
    fields = node.fields("workflow_dispatch", ("inputs",))
    return tuple(_input(key, value) for key, value in fields["inputs"].pairs("inputs")) if "inputs" in fields else ()


def _input(key: Scalar, node: Node) -> Parameter:
    fields = node.fields(f"the input '{key.value}'", ("description", "required", "default", "type", "options"))
    kind = text(fields.get("type"), "type") or "string"
    if kind not in KINDS:
        raise fields["type"].unknown(f"the type '{kind}' of an input")
    if (kind == "choice") != ("options" in fields):
        raise key.refuse(f"the input '{key.value}': a choice, and only a choice, has options")
    options = tuple(fields["options"].words("options")) if "options" in fields else ()
    is_required = "required" in fields and fields["required"].flag("required")
    default = fields["default"].text("default") if "default" in fields else None
    if default is None and not is_required:
        default = options[0] if options else {"boolean": "false", "number": "0"}.get(kind, "")
    return Parameter(key.line, key.value, KINDS[kind], default, options)


def values(inputs: tuple[Parameter, ...], given: Mapping[str, str] | None) -> dict[str, Any]:
    """Typed, as the context `inputs` has them. None: any values will do. Raises ValueError, in the API's words."""
    names = {one.name for one in inputs}
    unexpected = [name for name in given or {} if name not in names]
    if unexpected:
        listed = ", ".join(f'"{name}"' for name in unexpected)
        raise ValueError(f"Unexpected inputs provided: [{listed}]")
    found: dict[str, Any] = {}
    for one in inputs:
        value = (given or {}).get(one.name, one.default)
        if value is None and given is not None:
            raise ValueError(f"Required input '{one.name}' not provided")
        if one.values and value not in (None, *one.values):
            raise ValueError(f"Provided value '{value}' for input '{one.name}' not in the list of allowed values")
        found[one.name] = _typed(one, value or "")
    return found


def _typed(one: Parameter, value: str) -> Any:
    if one.kind == "boolean":
        if value.lower() not in ("true", "false", ""):
            raise ValueError(f"Provided value '{value}' for input '{one.name}' is not a boolean")
        return value.lower() == "true"
    if one.kind == "number":
        try:
            return expressions.number(value or "0")
        except ValueError as error:
            raise ValueError(f"Provided value '{value}' for input '{one.name}' is not a number") from error
    return value
