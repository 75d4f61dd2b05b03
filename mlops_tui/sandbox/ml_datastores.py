"""The datastores of an Azure ML workspace: where its files are, and signed addresses to reach them.

Two are there from the start, in the workspace's own storage account; others that point elsewhere can be added.
Shapes: Azure Machine Learning REST reference, Datastores 2024-10-01.
"""

from __future__ import annotations

from starlette.responses import Response

from mlops_tui.sandbox.api import Body, Call, answer, empty
from mlops_tui.sandbox.arm import Operation, ResourceProvider
from mlops_tui.sandbox.blob_store import BlobStore
from mlops_tui.sandbox.ml_workspaces import (
    ONE,
    TYPE,
    MlWorkspaces,
    children,
    default_container,
    made_by,
    storage_of,
)

DATASTORE = "ml-datastore"  # a kind of documents: those that people have added
KIND = f"{TYPE}/datastores"
DEFAULT, ARTIFACTS = "workspaceblobstore", "workspaceartifactstore"
ALL = f"{ONE}/datastores"
PERMISSIONS = "racwdl"
LONGEST = 24 * 7  # hours that a signature can be good for


class MlDatastores(ResourceProvider):
    """…/datastores and their secrets."""

    def operations(self) -> list[Operation]:
        one = f"{ALL}/{{name}}"
        return [
            self.does("GET", ALL, f"{KIND}/read", self.list),
            self.does("GET", one, f"{KIND}/read", self.show),
            self.does("PUT", one, f"{KIND}/write", self.put),
            self.does("DELETE", one, f"{KIND}/delete", self.delete),
            self.does("POST", f"{one}/listSecrets", f"{KIND}/listSecrets/action", self.list_secrets),
        ]

    def _workspace(self, call: Call) -> Body:
        return self.sandbox.find(MlWorkspaces).workspace(call)

    def list(self, call: Call) -> Body:
        workspace = self._workspace(call)
        found = [*_own(workspace), *children(self.store, DATASTORE, workspace["id"], "datastores/")]
        wanted = call.query.get("isDefault", "").lower()
        if wanted:
            found = [one for one in found if one["properties"]["isDefault"] == (wanted == "true")]
        return {"value": found}

    def show(self, call: Call) -> Body:
        return self._found(self._workspace(call), call.params["name"])

    def _found(self, workspace: Body, name: str) -> Body:
        for one in _own(workspace):
            if one["name"] == name.lower():
                return one
        found = self.store.get(DATASTORE, f"{workspace['id']}/datastores/{name}".lower())
        if found is None:
            message = f"Could not find datastore {name} in the workspace {workspace['name']}."
            raise self.dialect.error(404, "UserError", message)
        return found

    def put(self, call: Call) -> Response:
        """A blob container of one of the subscription's storage accounts, under a name of its own."""
        workspace, name = self._workspace(call), call.params["name"]
        asked = call.json().get("properties") or {}
        if name.lower() in (DEFAULT, ARTIFACTS):
            raise self.dialect.error(400, "UserError", f"The datastore {name} belongs to the workspace itself.")
        if asked.get("datastoreType") != "AzureBlob":
            message = f"Datastores of type '{asked.get('datastoreType')}' are not supported by the sandbox (yet)."
            raise self.dialect.error(501, "NotImplemented", message)
        account, container = str(asked.get("accountName") or ""), str(asked.get("containerName") or "")
        if BlobStore(self.sandbox).container(account, container) is None:
            message = f"There is no blob container '{container}' in the storage account '{account}'."
            raise self.dialect.error(400, "UserError", message)
        credentials = {"credentialsType": (asked.get("credentials") or {}).get("credentialsType") or "None"}
        made = _datastore(workspace, name, account, container, credentials)
        made["properties"] |= {name: asked[name] for name in ("description", "tags") if asked.get(name)}
        made["systemData"] = made_by(call)
        is_new = self.store.get(DATASTORE, made["id"].lower()) is None
        self.store.put(DATASTORE, made["id"].lower(), made)
        return answer(made, 201 if is_new else 200)

    def delete(self, call: Call) -> Response:
        workspace, name = self._workspace(call), call.params["name"]
        if name.lower() in (DEFAULT, ARTIFACTS):
            raise self.dialect.error(400, "UserError", f"The datastore {name} belongs to the workspace itself.")
        gone = self.store.delete(DATASTORE, f"{workspace['id']}/datastores/{name}".lower())
        return empty(200 if gone else 204)

    def list_secrets(self, call: Call) -> Body:
        """A SAS for the container where an expirable secret is asked for; the account's key otherwise."""
        found, asked = self._found(self._workspace(call), call.params["name"]), call.json()
        properties, store = found["properties"], BlobStore(self.sandbox)
        account, container = properties["accountName"], properties["containerName"]
        if not store.accounts.keys(account):
            message = f"The storage account {account} of the datastore {found['name']} was not found."
            raise self.dialect.error(404, "UserError", message)
        if not asked.get("expirableSecret"):
            return {"secretsType": "AccountKey", "key": store.accounts.keys(account)[0]}
        hours = min(float(asked.get("expireAfterHours") or 1), LONGEST)
        return {"secretsType": "Sas", "sasToken": store.sas(account, container, "", PERMISSIONS, hours * 60)}

    def removed(self, resource: Body) -> None:
        if resource["type"] == TYPE:
            for one in children(self.store, DATASTORE, resource["id"], "datastores/"):
                self.store.delete(DATASTORE, one["id"].lower())


def _own(workspace: Body) -> list[Body]:
    account = storage_of(workspace)
    by_identity = str(workspace["properties"]["systemDatastoresAuthMode"]).lower() == "identity"
    keyed = {"credentialsType": "None" if by_identity else "AccountKey"}
    return [
        _datastore(workspace, DEFAULT, account, default_container(workspace), keyed, is_default=True),
        _datastore(workspace, ARTIFACTS, account, "azureml", keyed),
    ]


def _datastore(
    workspace: Body, name: str, account: str, container: str, credentials: Body, is_default: bool = False
) -> Body:
    return {
        "id": f"{workspace['id']}/datastores/{name}",
        "name": name,
        "type": KIND,
        "properties": {
            "datastoreType": "AzureBlob",
            "accountName": account,
            "containerName": container,
            "endpoint": "core.windows.net",
            "protocol": "https",
            "credentials": credentials,
            "serviceDataAccessAuthIdentity": "None",
            "isDefault": is_default,
            "description": None,
            "tags": {},
            "properties": {},
        },
        "systemData": workspace["systemData"],
    }
