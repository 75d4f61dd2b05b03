"""Azure Resource Manager templates: which resources one stands for, with these parameters, and in which order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from mlops_tui.sandbox.template_expressions import Expressions, TemplateError, UnsupportedError

NOT_SENT = ("apiVersion", "comments", "condition", "dependsOn", "metadata", "name", "resources", "type")
NOT_THERE = ("copy", "scope", "resourceGroup", "subscriptionId")
SECRET = ("securestring", "secureobject")


@dataclass(frozen=True)
class Planned:
    """A resource that the template wants to be."""

    id: str
    type: str
    name: str
    api_version: str
    body: dict[str, Any]
    depends_on: tuple[str, ...] = ()  # ids or names


class Template:
    """A template with its parameters, for a deployment to one resource group."""

    def __init__(
        self,
        template: Mapping[str, Any],
        parameters: Mapping[str, Any],
        group: Mapping[str, Any],
        tenant_id: str,
        reference: Callable[..., Any],
    ) -> None:
        self._template, self._given, self._group = template, parameters, group
        self._subscription = str(group["id"]).split("/")[2]
        self._evaluating: list[str] = []
        functions: dict[str, Callable[..., Any]] = {
            "parameters": self._parameter,
            "variables": self._variable,
            "resourceId": self._resource_id,
            "subscriptionResourceId": lambda kind, *names: _join(f"/subscriptions/{self._subscription}", kind, names),
            "resourceGroup": lambda: {name: group[name] for name in ("id", "name", "location", "tags")},
            "subscription": lambda: {
                "id": f"/subscriptions/{self._subscription}",
                "subscriptionId": self._subscription,
                "tenantId": tenant_id,
            },
            "reference": reference,
        }
        self._expressions = Expressions(functions)

    @cached_property
    def _declared(self) -> dict[str, Any]:
        return {name.lower(): facts for name, facts in (self._template.get("parameters") or {}).items()}

    def check_parameters(self) -> None:
        """Raises TemplateError where one is missing, unknown or not allowed."""
        values = {name.lower(): (facts or {}).get("value") for name, facts in self._given.items()}
        if strange := sorted(set(values) - set(self._declared)):
            raise TemplateError(
                f"The following parameters were supplied, but do not correspond to any parameters defined in the "
                f"template: '{', '.join(strange)}'."
            )
        for name, facts in self._declared.items():
            if values.get(name) is None and "defaultValue" not in facts:
                raise TemplateError(
                    f"The value for the template parameter '{name}' is not provided. Please see "
                    "https://aka.ms/arm-create-parameter-file for usage details."
                )
            allowed = facts.get("allowedValues")
            if values.get(name) is not None and allowed and values[name] not in allowed:
                raise TemplateError(
                    f"The provided value '{values[name]}' for the template parameter '{name}' is not valid. The value "
                    f"is not part of the allowed value(s): '{','.join(map(str, allowed))}'."
                )

    def shown_parameters(self) -> dict[str, Any]:
        """Those that are no secrets, as a deployment shows them."""
        open_ones = [name for name in self._given if self._declared[name.lower()]["type"].lower() not in SECRET]
        return {
            name: {"type": self._declared[name.lower()]["type"].title(), "value": self._parameter(name)}
            for name in open_ones
        }

    def _parameter(self, name: str) -> Any:
        facts = self._declared.get(name.lower())
        if facts is None:
            raise TemplateError(f"The template parameter '{name}' is not found.")
        given = next((one for key, one in self._given.items() if key.lower() == name.lower()), None) or {}
        if given.get("value") is not None:
            return given["value"]
        return self._once(f"parameters('{name}')", facts.get("defaultValue"))

    def _variable(self, name: str) -> Any:
        variables = {key.lower(): value for key, value in (self._template.get("variables") or {}).items()}
        if name.lower() not in variables:
            raise TemplateError(f"The template variable '{name}' is not found.")
        return self._once(f"variables('{name}')", variables[name.lower()])

    def _once(self, what: str, written: Any) -> Any:
        """Its value. Raises TemplateError where it is made of itself."""
        if what in self._evaluating:
            raise TemplateError(f"A circular dependency was found at {what}.")
        self._evaluating.append(what)
        try:
            return self._expressions.value(written)
        finally:
            self._evaluating.pop()

    def _resource_id(self, *parts: str) -> str:
        """[subscription,] [resource group,] type, names…"""
        at = next((index for index, part in enumerate(parts) if "/" in part), None)
        if at is None or at > 2:
            raise TemplateError("resourceId() needs a resource type and names.")
        before = parts[:at]
        group = before[-1] if before else self._group["name"]
        subscription = before[0] if len(before) == 2 else self._subscription
        return _join(f"/subscriptions/{subscription}/resourceGroups/{group}", parts[at], parts[at + 1 :])

    def resources(self) -> list[Planned]:
        """In an order in which each comes after those it depends on. Raises TemplateError."""
        written = self._template.get("resources") or []
        if isinstance(written, dict):
            raise UnsupportedError("The sandbox does not have templates with symbolic names (yet).")
        planned = [one for resource in written for one in self._planned(resource, "", "")]
        return _ordered(planned)

    def _planned(self, resource: Mapping[str, Any], parent_type: str, parent_name: str) -> list[Planned]:
        """The resource and those written inside it; none where its condition does not hold."""
        if not self._expressions.value(resource.get("condition", True)):
            return []
        value = self._expressions.value
        kind = _below(parent_type, str(value(resource.get("type") or "")))
        name = _below(parent_name, str(value(resource.get("name") or "")))
        if "/" not in kind or not name:
            raise TemplateError("Every resource of a template must have a type and a name.")
        if kind.lower() == "microsoft.resources/deployments":
            raise UnsupportedError("The sandbox does not have deployments inside of deployments (yet).")
        for word in NOT_THERE:
            if word in resource:
                raise UnsupportedError(f"The sandbox does not have '{word}' in the resources of templates (yet).")
        own = Planned(
            id=_join(str(self._group["id"]), kind, tuple(name.split("/"))),
            type=kind,
            name=name,
            api_version=str(value(resource.get("apiVersion") or "")),
            body={key: value(one) for key, one in resource.items() if key not in NOT_SENT},
            depends_on=(*value(list(resource.get("dependsOn") or [])), *((parent_name,) if parent_name else ())),
        )
        inner = [one for child in resource.get("resources") or [] for one in self._planned(child, kind, name)]
        return [own, *inner]

    def outputs(self) -> dict[str, Any]:
        """When all the resources are there."""
        written = self._template.get("outputs") or {}
        return {
            name: {"type": str(facts["type"]).title(), "value": self._expressions.value(facts.get("value"))}
            for name, facts in written.items()
            if self._expressions.value(facts.get("condition", True)) and str(facts["type"]).lower() not in SECRET
        }


def _below(parent: str, own: str) -> str:
    return f"{parent}/{own}" if parent else own


def _join(scope: str, kind: str, names: tuple[str, ...]) -> str:
    """An id: a type of two parts or more, and a name for each but the first."""
    namespace, *types = kind.split("/")
    names = tuple(part for name in names for part in str(name).split("/"))
    if len(types) != len(names):
        raise TemplateError(f"The type '{kind}' and the name '{'/'.join(names)}' have different numbers of segments.")
    pairs = "/".join(f"{one}/{name}" for one, name in zip(types, names, strict=True))
    return f"{scope}/providers/{namespace}/{pairs}"


def waits_for(one: Planned, other: Planned) -> bool:
    wanted = {text.lower() for text in one.depends_on}
    return bool(wanted & {other.id.lower(), other.name.lower()})


def _ordered(planned: list[Planned]) -> list[Planned]:
    done: list[Planned] = []
    left = list(planned)
    while left:
        ready = [one for one in left if not any(waits_for(one, other) for other in left if other is not one)]
        if not ready:
            names = ", ".join(one.name for one in left)
            raise TemplateError(f"A circular dependency was found between the resources {names}.")
        done.append(ready[0])
        left.remove(ready[0])
    return done
