"""An organisation of Azure DevOps: who calls, who is who, and the switches that only a practice cloud has.

GET, POST /_sandbox/devops {"organization", "members": {object id: level, or ""}, "hosted_parallelism", "pools",
"next_operation": "failed"}: changes what is given; an organisation that is not there is founded.

Shapes: Azure DevOps REST, Location (connectionData) and IMS (identities).
"""

from __future__ import annotations

from starlette.responses import Response

from mlops_tui.sandbox import devops_members, seed
from mlops_tui.sandbox.api import Body, Call, Endpoint, Principal
from mlops_tui.sandbox.devops_members import LEVELS, ORGANIZATION, identity_id
from mlops_tui.sandbox.devops_service import DevOpsService, listed
from mlops_tui.sandbox.dialects import OPEN

SWITCHES = {"hosted_parallelism": bool, "pools": list, "next_operation": str, "members": dict}


class Organizations(DevOpsService):
    def routes(self) -> list[Endpoint]:
        return [
            self.at("GET", "/_apis/connectionData", self.connection_data),
            self.on("GET", "/devops-identities/{organization}/_apis/identities", self.identities),
            self.on("GET", "/devops-identities/{organization}/_apis/identities/{identity}", self.one_identity),
            self.on("GET", "/_sandbox/devops", self.show_switches, OPEN),
            self.on("POST", "/_sandbox/devops", self.switch, OPEN),
        ]

    def start(self) -> None:
        owners = dict.fromkeys((seed.LEARNER_ID, seed.OWNER_PRINCIPAL_ID), "administrator")
        devops_members.found(self.store, seed.ORGANIZATION, owners)

    def connection_data(self, call: Call) -> Body:
        organization = self.organization(call)
        user = self._identity(organization, call.caller)
        return {
            "authenticatedUser": user,
            "authorizedUser": user,
            "instanceId": organization["id"],
            "deploymentType": "hosted",
        }

    def identities(self, call: Call) -> Body:
        """Members by their ids, or by what people call them: searchFilter=General&filterValue=ada@example.com."""
        organization = self.organization(call)
        if numbers := call.query.get("identityIds"):
            known = (devops_members.member(self.store, organization, one) for one in numbers.split(","))
            return listed([self._identity(organization, one) for one in known if one])
        if call.query.get("searchFilter", "General") not in ("General", "AccountName", "MailAddress", "DisplayName"):
            raise self.dialect.malformed("The sandbox finds identities by General, AccountName, MailAddress only.")
        wanted = call.need("filterValue").lower()
        found = [
            member
            for member in devops_members.members(self.store, organization)
            if wanted in (member.name.lower(), member.display_name.lower())
        ]
        return listed([self._identity(organization, member) for member in found])

    def one_identity(self, call: Call) -> Body | Response:
        """Null where there is none."""
        organization = self.organization(call)
        found = devops_members.member(self.store, organization, call.params["identity"])
        return self._identity(organization, found) if found else Response("null", media_type="application/json")

    def _identity(self, organization: Body, principal: Principal) -> Body:
        own = identity_id(organization, principal.object_id)
        kind = "Microsoft.IdentityModel.Claims.ClaimsIdentity" if principal.is_user else "AadServicePrincipal"
        return {
            "id": own,
            "descriptor": f"{kind};{self.sandbox.tenant_id}\\{principal.name}",
            "subjectDescriptor": f"{'aad' if principal.is_user else 'aadsp'}.{own}",
            "providerDisplayName": principal.display_name,
            "isActive": True,
            "properties": {"Account": {"$type": "System.String", "$value": principal.name}},
        }

    def show_switches(self, call: Call) -> Body:
        return {"organizations": self.store.list(ORGANIZATION)}

    def switch(self, call: Call) -> Body:
        wanted = call.json()
        name = str(wanted.pop("organization", seed.ORGANIZATION))
        for key, value in wanted.items():
            if key not in SWITCHES or not isinstance(value, SWITCHES[key]):
                raise call.dialect.malformed(f"No such switch, or not what it may be set to: {key}")
        levels = wanted.pop("members", {})
        if not set(levels.values()) <= {"", *LEVELS}:
            raise call.dialect.malformed(f"Members are one of {', '.join(LEVELS)}, or empty.")
        with self.store.transaction():
            organization = devops_members.found(self.store, name, {}) | wanted
            organization["members"] = {who: at for who, at in (organization["members"] | levels).items() if at}
            self.store.put(ORGANIZATION, name.lower(), organization)
        return organization
