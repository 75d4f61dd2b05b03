"""The pools of agents that an organisation of Azure DevOps has, and the queues by which its projects get at them.

Shapes: Azure DevOps REST, DistributedTask (pools, queues).
"""

from __future__ import annotations

from mlops_tui.sandbox.api import ApiError, Body, Call, Endpoint
from mlops_tui.sandbox.devops_service import DevOpsService, listed

HOSTED = "Azure Pipelines"  # the pool of the agents that are Microsoft's


class Pools(DevOpsService):
    def routes(self) -> list[Endpoint]:
        return [
            self.in_project("GET", "/distributedtask/queues", self.queues),
            self.in_project("GET", "/distributedtask/queues/{id}", self.queue),
            self.at("GET", "/_apis/distributedtask/pools", self.pools),
            self.at("GET", "/_apis/distributedtask/pools/{id}", self.pool),
        ]

    def queues(self, call: Call) -> Body:
        """The project's way to each pool; `queueName` or `queueNames` filters."""
        wanted = [one for one in call.query.get("queueNames", call.query.get("queueName", "")).split(",") if one]
        return listed([one for one in self._queues(call) if not wanted or one["name"] in wanted])

    def queue(self, call: Call) -> Body:
        found = next((one for one in self._queues(call) if str(one["id"]) == call.params["id"]), None)
        if found is None:
            raise self._none("TaskAgentQueueNotFoundException", f"queue with identifier {call.params['id']}")
        return found

    def pools(self, call: Call) -> Body:
        wanted = call.query.get("poolName", "")
        return listed([one for one in self._pools(call) if wanted in ("", one["name"])])

    def pool(self, call: Call) -> Body:
        found = next((one for one in self._pools(call) if str(one["id"]) == call.params["id"]), None)
        if found is None:
            raise self._none("TaskAgentPoolNotFoundException", f"pool with identifier {call.params['id']}")
        return found

    def _none(self, code: str, what: str) -> ApiError:
        return self.dialect.error(404, code, f"No agent {what} found.")

    def _queues(self, call: Call) -> list[Body]:
        project = self.project(call)
        return [
            {"id": pool["id"], "projectId": project["id"], "name": pool["name"], "pool": pool}
            for pool in self._pools(call)
        ]

    def _pools(self, call: Call) -> list[Body]:
        """Microsoft's agents, the default pool, and the pools that the organisation has of its own."""
        names = [HOSTED, "Default", *self.organization(call)["pools"]]
        return [
            {"id": number, "name": name, "isHosted": name == HOSTED, "poolType": "automation"}
            for number, name in enumerate(names, 1)
        ]
