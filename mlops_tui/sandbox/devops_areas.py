"""What Azure DevOps tells a client that begins: which resources there are, and below which address it finds them.

Shapes: as recorded of dev.azure.com (see `devops_locations`): `GET _apis/ResourceAreas` names the service of each area
of resources, `OPTIONS _apis` of such a service (or `OPTIONS _apis/{area}`) the resources.
"""

from __future__ import annotations

from starlette.responses import Response

from mlops_tui.sandbox.api import Body, Call, Endpoint
from mlops_tui.sandbox.devops_locations import IDENTITIES, LOCATIONS
from mlops_tui.sandbox.devops_service import DevOpsService, listed
from mlops_tui.sandbox.dialects import OPEN

AREAS = {
    "965220d5-5bb9-42cf-8d67-9b146df2a5a4": "Build",
    "79134c72-4a58-4b42-976c-04e7115f32bf": "core",
    "a85b8835-c1a1-4aac-ae97-1c3d0ba72dbd": "distributedtask",
    "4e080c62-fa21-4fbc-8fef-2a10a2b38049": "git",
    "2e0bf237-8973-4ec9-a581-9c3d679d1776": "pipelines",
    "4a933897-0488-45af-bd82-6fd3ad33f46a": "PipelinesChecks",
    "a81a0441-de52-4000-aa15-ff0e07bfbbaa": "pipelinePermissions",
    "5b55a9b6-2e0f-40d7-829d-3741d2b8c4e4": "approval",
    "1814ab31-2f4f-4a9f-8761-f4d77dc5a5d7": "serviceendpoint",
}
IDENTITY_AREA = ("8a3d49b8-91f0-46ef-b33d-dda338c25db3", "IMS")
# Nothing is served of these. They are listed, as on Azure, for a client asks app.vssps.visualstudio.com for an area
# that is not, and would show Microsoft a token that is the practice cloud's.
EMPTY_AREAS = {
    "0d55247a-1c47-4462-9b1f-5e2125590ee6": "Account",
    "94ff054d-5ee1-413d-9341-3f4a7827de2e": "audit",
    "31c84e0a-3ece-48fd-a29d-100849af99ba": "Dashboard",
    "6c2b0933-3600-42ae-bf8b-93d4f7e83594": "ExtensionManagement",
    "bb1e7ec9-e901-4b68-999a-de7012b920f8": "Graph",
    "6f7f8c07-ff36-473c-bcf3-bd6cc9b6c066": "maven",
    "68ddce18-2501-45f1-a17b-7931a9922690": "MemberEntitlementManagement",
    "4c83cfc1-f33a-477e-a789-29d38ffca52e": "npm",
    "b3be7473-68ea-4a81-bfc7-9530baaa19ad": "nuget",
    "7ab4e64e-c4d8-4f50-ae73-5ef2e21642a5": "Packaging",
    "fb13a388-40dd-4a04-b530-013a739c72ef": "policy",
    "7658fa33-b1bf-4580-990f-fac5896773d3": "projectanalysis",
    "b40c1171-807a-493a-8f3f-5c26d5e2f5aa": "Provenance",
    "92f0314b-06c5-46e0-abe7-15fd9d13276a": "pypi",
    "efc2f575-36ef-48e9-b672-0c6fb4a48ac5": "Release",
    "2e504d18-2c0c-46f8-af8f-322d2af0068a": "SBOM",
    "ea48a0a1-269c-42d8-b8ad-ddc8fcdcf578": "search",
    "af607f94-69ba-4821-8159-f04e37b66350": "Symbol",
    "c2aa639c-3ccc-4740-b3b6-ce2a1e1d984e": "Test",
    "c83eaf52-edf3-4034-ae11-17d38f25404c": "testresults",
    "8aa40520-446d-40e6-89f6-9c9f9ce44c48": "tfvc",
    "af68438b-ed04-4407-9eb6-f1dbae3f922e": "TokenAdmin",
    "d397749b-f115-4027-b6dd-77a65dd10d21": "upack",
    "bf7d82a0-8aa5-4613-94ef-6172a5ea01f3": "wiki",
    "5264459e-e5e0-4bd8-b118-0985e68a4ec5": "wit",
    "1d4f49f9-02b9-4e26-b826-2cdb6195f2a9": "work",
}


class Areas(DevOpsService):
    def routes(self) -> list[Endpoint]:
        return [
            self.on("OPTIONS", "/devops/{organization}/_apis", self.locations),
            self.on("OPTIONS", "/devops/{organization}/_apis/{area}", self.locations),
            self.on("OPTIONS", "/devops-identities/{organization}/_apis", self.identity_locations),
            # Where a client looks for what an organisation does not have: no organisation has it.
            self.on("OPTIONS", "/devops/_apis", self.nothing, OPEN),
            self.on("OPTIONS", "/devops-identities/_apis", self.nothing, OPEN),
            self.at("GET", "/_apis/ResourceAreas", self.areas),
            self.at("GET", "/_apis/ResourceAreas/{area}", self.area),
        ]

    def locations(self, call: Call) -> Body:
        """All of them, or those of one area."""
        wanted = call.params.get("area", "").lower()
        return listed([one.shown() for one in LOCATIONS if wanted in ("", one.area.lower())])

    def identity_locations(self, call: Call) -> Body:
        return listed([one.shown() for one in IDENTITIES])

    def nothing(self, call: Call) -> Body:
        return listed([])

    def areas(self, call: Call) -> Body:
        """Each with the address below which a client finds its resources."""
        return listed(self._areas(call))

    def area(self, call: Call) -> Body | Response:
        """Null where there is none."""
        found = (one for one in self._areas(call) if one["id"] == call.params["area"].lower())
        return next(found, None) or Response("null", media_type="application/json")

    def _areas(self, call: Call) -> list[Body]:
        base = f"{self.sandbox.origin}/devops/{call.params['organization']}/"
        number, name = IDENTITY_AREA
        identities = f"{self.sandbox.origin}/devops-identities/{call.params['organization']}/"
        here = [{"id": key, "name": area, "locationUrl": base} for key, area in (AREAS | EMPTY_AREAS).items()]
        return [*here, {"id": number, "name": name, "locationUrl": identities}]
