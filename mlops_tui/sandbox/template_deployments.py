"""Microsoft.Resources/deployments below a resource group: templates, carried out through the front door.

Each resource is made by its own resource provider, as if the caller had asked for it: same names, same rights, same
conflicts. All is asked for at once; the deployment goes on until the last of its resources has got ready.

Shapes and errors: Azure REST reference, Deployments 2024-03-01.
"""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import replace
from typing import Any

from starlette.responses import Response

from mlops_tui.sandbox import clock
from mlops_tui.sandbox.api import ApiError, Body, Call, answer, empty
from mlops_tui.sandbox.arm import NOT_FINAL, RESOURCE, Arm, Operation, ResourceProvider
from mlops_tui.sandbox.authorization import Authorization
from mlops_tui.sandbox.deployment_records import (
    DEPLOYMENT,
    FINAL,
    TYPE,
    new_deployment,
    settled,
    shown,
    shown_operation,
)
from mlops_tui.sandbox.subscriptions import Subscriptions
from mlops_tui.sandbox.template_expressions import TemplateError, UnsupportedError
from mlops_tui.sandbox.templates import Planned, Template, waits_for

NAME = re.compile(r"[\w.()-]{1,64}")


class TemplateDeployments(ResourceProvider):
    """…/deployments, their operations and how they go."""

    def operations(self) -> list[Operation]:
        group = "/subscriptions/{subscription}/resourceGroups/{group}"
        all_of = f"{group}/providers/{TYPE}"
        one = f"{all_of}/{{name}}"
        read, write = f"{TYPE}/read", f"{TYPE}/write"
        found = [
            self.does("GET", all_of, read, self.list_deployments),
            self.does("GET", one, read, self.show),
            self.does("PUT", one, write, self.put),
            self.does("DELETE", one, f"{TYPE}/delete", self.delete),
            self.does("POST", f"{one}/validate", f"{TYPE}/validate/action", self.validate),
        ]
        for place in (one, f"{group}/deployments/{{name}}"):  # old clients leave the provider out
            found += [
                self.does("GET", f"{place}/operations", f"{TYPE}/operations/read", self.list_operations),
                self.does("GET", f"{place}/operationStatuses/{{id}}", f"{TYPE}/operationStatuses/read", self.status),
            ]
        return found

    def _id(self, call: Call) -> str:
        return f"{self.group(call)['id']}/providers/{TYPE}/{call.params['name']}"

    def _found(self, call: Call) -> Body:
        found = self.store.get(DEPLOYMENT, self._id(call).lower())
        if found is None:
            message = f"Deployment '{call.params['name']}' could not be found."
            raise self.dialect.error(404, "DeploymentNotFound", message)
        return settled(self.store, found)

    def list_deployments(self, call: Call) -> Body:
        found = self.store.list(DEPLOYMENT, f"{self.group(call)['id']}/providers/".lower())
        return {"value": [shown(settled(self.store, one)) for one in found]}

    def show(self, call: Call) -> Response:
        found = self._found(call)
        is_final = found["properties"]["provisioningState"] in FINAL
        return answer(shown(found), headers={} if is_final else NOT_FINAL)

    def status(self, call: Call) -> Response:
        found = self._found(call)
        properties = found["properties"]
        if properties["provisioningState"] not in FINAL:
            return answer({"status": "Running"}, headers=NOT_FINAL)
        error = {"error": properties["error"]} if properties.get("error") else {}
        return answer({"status": properties["provisioningState"]} | error)

    def put(self, call: Call) -> Response:
        """201; poll Azure-AsyncOperation. What is wrong with the template itself is said at once."""
        own_id, properties = self._id(call), self._properties(call)
        if not NAME.fullmatch(call.params["name"]):
            message = f"The deployment name '{call.params['name']}' is invalid."
            raise self.dialect.error(400, "InvalidDeploymentName", message)
        template = self._template(call, properties)
        planned = self._planned(call, template)
        self._register(call, planned)
        made = new_deployment(own_id, template.shown_parameters(), planned)
        self._carry_out(call, made, planned)
        if not any(one["error"] for one in made["operations"]):
            made["properties"]["outputs"] = self._outputs(template)
        self.store.put(DEPLOYMENT, own_id.lower(), made)
        url = f"{self.sandbox.origin}{own_id}/operationStatuses/{made['operation']}"
        headers = {"Azure-AsyncOperation": f"{url}?api-version={call.query['api-version']}"} | NOT_FINAL
        return answer(shown(made), 201, headers)

    def validate(self, call: Call) -> Body:
        properties = self._properties(call)
        template = self._template(call, properties)
        planned = self._planned(call, template)
        facts: Body = {"mode": "Incremental", "provisioningState": "Succeeded", "timestamp": clock.now()}
        facts |= {"duration": "PT0S", "correlationId": str(uuid.uuid4()), "validatedResources": _ids(planned)}
        return {"id": self._id(call), "name": call.params["name"], "type": TYPE, "properties": facts}

    def delete(self, call: Call) -> Response:
        """The record of it alone: what it has made stays."""
        gone = self.store.delete(DEPLOYMENT, self._id(call).lower())
        return empty(200 if gone else 204)

    def _properties(self, call: Call) -> Body:
        properties = _body(call).get("properties") or {}
        if str(properties.get("mode") or "").lower() != "incremental":
            text = f"The sandbox does not have deployments in the mode '{properties.get('mode')}' (yet)."
            raise self.dialect.error(501, "NotImplemented", text)
        if not isinstance(properties.get("template"), dict):
            text = "The sandbox needs properties.template itself: it follows no links to templates."
            raise self.dialect.error(501, "NotImplemented", text)
        return dict(properties)

    def _template(self, call: Call, properties: Body) -> Template:
        return Template(
            properties["template"],
            properties.get("parameters") or {},
            self.group(call),
            self.sandbox.tenant_id,
            self._reference,
        )

    def _planned(self, call: Call, template: Template) -> list[Planned]:
        """The resources, all of which the caller may make. Raises InvalidTemplate and InvalidTemplateDeployment."""
        try:
            template.check_parameters()
            planned = template.resources()
        except UnsupportedError as error:
            raise self.dialect.error(501, "NotImplemented", str(error)) from error
        except TemplateError as error:
            message = f"Deployment template validation failed: '{error}'"
            raise self.dialect.error(400, "InvalidTemplate", message) from error
        allows = self.sandbox.find(Authorization).allows
        refused = [one for one in planned if not allows(call.caller, f"{one.type}/write", one.id)]
        if refused:
            raise self.dialect.error(403, "InvalidTemplateDeployment", _forbidden(call, refused))
        return planned

    def _register(self, call: Call, planned: list[Planned]) -> None:
        """The resource providers, where the caller may: a template has them registered as it goes."""
        subscriptions, root = self.sandbox.find(Subscriptions), f"/subscriptions/{self.sandbox.subscription_id}"
        for namespace in dict.fromkeys(one.type.partition("/")[0] for one in planned):
            inner = replace(call, params={"namespace": namespace})
            if self.sandbox.find(Authorization).allows(call.caller, f"{namespace}/register/action", root):
                subscriptions.register(inner)
            else:
                subscriptions.require_registered(subscriptions.provider(inner)["namespace"])

    def _carry_out(self, call: Call, made: Body, planned: list[Planned]) -> None:
        """Ask for each resource; what depends on one that failed is not asked for."""
        failed: list[Planned] = []
        for one, operation in zip(planned, made["operations"], strict=True):
            if any(waits_for(one, other) for other in failed):
                failed.append(one)
                operation["skipped"] = True
                continue
            inner = replace(
                call,
                method="PUT",
                path=one.id,
                query_string=f"api-version={one.api_version}",
                body=json.dumps(one.body).encode(),
            )
            try:
                self.sandbox.find(Arm).answer(inner)
            except ApiError as error:
                failed.append(one)
                operation |= {"status": error.status, "error": error.body["error"]}

    def _outputs(self, template: Template) -> Body:
        try:
            return template.outputs()
        except TemplateError as error:
            raise self.dialect.error(400, "DeploymentOutputEvaluationFailed", str(error)) from error

    def _reference(self, place: str, *_: str) -> Any:
        """The properties of a resource, by its id or, where only one has it, by its name."""
        for one in self.store.list(RESOURCE):
            if place.lower() in (one["id"].lower(), one["name"].lower()):
                return one["properties"]
        raise UnsupportedError(f"The sandbox cannot follow reference() to '{place}': that resource is not there yet.")

    def list_operations(self, call: Call) -> Body:
        found = self._found(call)
        return {"value": [shown_operation(found, one) for one in found["operations"] if not one["skipped"]]}

    def group_removed(self, group_id: str) -> None:
        for key, _ in self.store.items(DEPLOYMENT, f"{group_id}/".lower()):
            self.store.delete(DEPLOYMENT, key)


def _body(call: Call) -> Body:
    """The Azure CLI writes the name `template` without quotes, for the template itself may have comments."""
    try:
        return call.json()
    except ApiError:
        text = call.body.decode("utf-8", "replace")
        for found in re.finditer(r",\s*template:", text):
            try:
                mended: Body = json.loads(f'{text[: found.start()]}, "template":{text[found.end() :]}')
            except ValueError:
                continue
            return mended
        raise


def _ids(planned: list[Planned]) -> list[Body]:
    return [{"id": one.id} for one in planned]


def _forbidden(call: Call, refused: list[Planned]) -> str:
    reasons = "; ".join(
        f"'Authorization failed for template resource '{one.name}' of type '{one.type}'. The client "
        f"'{call.caller.name}' with object id '{call.caller.object_id}' does not have permission to perform action "
        f"'{one.type}/write' at scope '{one.id}'.'"
        for one in refused
    )
    return f"Deployment failed with multiple errors: {reasons}"
