"""What waits for somebody's yes in Azure DevOps: only those whom the environment's check names may say it.

Shapes: Azure DevOps REST, Approvals and checks (approvals: query, update). Documents "devops-yes", by the approval's
id, keep who has said yes where more than one must. The words of a refusal are not confirmed.
"""

from __future__ import annotations

import json
from typing import Any

from mlops_tui.sandbox.api import Body, Call, Endpoint, Principal
from mlops_tui.sandbox.devops_environments import Environments
from mlops_tui.sandbox.devops_members import identity_id
from mlops_tui.sandbox.devops_pipeline import HOST
from mlops_tui.sandbox.devops_service import DevOpsService, listed
from mlops_tui.sandbox.devops_timeline import jobs, moment
from mlops_tui.sandbox.pipelines.service import Pipelines

YES = "devops-yes"


class Approvals(DevOpsService):
    def routes(self) -> list[Endpoint]:
        return [
            self.in_project("GET", "/pipelines/approvals", self.query),
            self.in_project("GET", "/pipelines/approvals/{approval}", self.show),
            self.on("PATCH", "/devops/{organization}/{project}/_apis/pipelines/approvals", self.update),
        ]

    def query(self, call: Call) -> Body:
        """`state`, `approvalIds`; the steps only with $expand=steps."""
        wanted = [one for one in call.query.get("approvalIds", "").split(",") if one]
        state, with_steps = call.query.get("state", ""), call.query.get("$expand") in ("steps", "1")
        shown = [self._shown(call, run, job, with_steps) for run, job in self._waiting(call)]
        chosen = [one for one in shown if state in ("", one["status"])]
        return listed([one for one in chosen if not wanted or one["id"] in wanted])

    def show(self, call: Call) -> Body:
        run, job = self._needed(call, call.params["approval"])
        return self._shown(call, run, job, call.query.get("$expand") in ("steps", "1"))

    def _needed(self, call: Call, number: str) -> tuple[Body, Body]:
        """Raises the service's 404."""
        found = next(((run, job) for run, job in self._waiting(call) if job["approval"]["id"] == number), None)
        if found is None:
            text = f"Approval with id {number} could not be found."
            raise self.dialect.error(404, "ApprovalNotFoundException", text)
        return found

    def _waiting(self, call: Call) -> list[tuple[Body, Body]]:
        """Run and job of every approval of this project, decided ones too."""
        owner = f"{self.organization(call)['name']}/{self.project(call)['name']}"
        runs = self.sandbox.find(Pipelines).records(HOST, owner)
        return [(run, job) for run in runs for _, job in jobs(run) if job.get("approval")]

    def _shown(self, call: Call, run: Body, job: Body, with_steps: bool) -> Body:
        approval, settings = job["approval"], self._settings(call, job)
        status = approval["state"]
        if status == "pending" and run["state"] == "completed":
            status = "canceled"
        shown: Body = {
            "id": approval["id"],
            "status": status,
            "createdOn": moment(approval["asked"]),
            "lastModifiedOn": moment(approval["at"] or approval["asked"]),
            "executionOrder": "anyOrder",
            "minRequiredApprovers": settings["minRequiredApprovers"],
            "blockedApprovers": [],
            "instructions": settings["instructions"],
            "pipeline": {
                "owner": {"id": int(run["id"]), "name": run["number"]},
                "id": run["pipeline"],
                "name": run["name"],
            },
        }
        if with_steps:
            said = self._said(approval["id"])
            shown["steps"] = [
                {
                    "assignedApprover": one,
                    "status": "approved" if one["id"] in said else status,
                    "comment": approval["comment"],
                    "order": order,
                }
                for order, one in enumerate(settings["approvers"], 1)
            ]
        return shown

    def _settings(self, call: Call, job: Body) -> Body:
        """Of the check on the job's environment; nobody may say yes where it has gone."""
        project, environments = self.project(call), self.sandbox.find(Environments)
        environment = environments.find(project, job["environment"])
        check = environments.approval(project, environment) if environment else None
        gone: Body = {"approvers": [], "minRequiredApprovers": 1, "instructions": ""}
        return dict(check["settings"]) if check else gone

    def _said(self, approval_id: str) -> list[str]:
        kept = self.store.get(YES, approval_id)
        return list(kept["by"]) if kept else []

    def update(self, call: Call) -> Body:
        """A list of {"approvalId", "status": "approved" | "rejected", "comment"}."""
        decided = [self._decide(call, one) for one in self._decisions(call)]
        return listed(decided)

    def _decisions(self, call: Call) -> list[Any]:
        try:
            given = json.loads(call.body)
        except ValueError as error:
            raise self.dialect.malformed(f"The request body is not valid JSON: {error}") from error
        if not isinstance(given, list) or not given:
            raise self.dialect.malformed("The request body must be a list of approvals.")
        return given

    def _decide(self, call: Call, wanted: Body) -> Body:
        number, status = str(wanted.get("approvalId") or ""), wanted.get("status")
        if status not in ("approved", "rejected"):
            raise self.dialect.malformed(f"The status {status} is not one of approved, rejected.")
        run, job = self._needed(call, number)
        settings = self._settings(call, job)
        self._check_approver(call, settings, run)
        mine = identity_id(self.organization(call), call.caller.object_id)
        said = sorted({*self._said(number), mine})
        needed = settings["minRequiredApprovers"] or len(settings["approvers"])
        if status == "approved" and len(said) < needed:
            self.store.put(YES, number, {"by": said})
            return self._shown(call, run, job, True)
        runner, comment = self.sandbox.find(Pipelines), str(wanted.get("comment") or "")
        try:
            runner.approve(run["id"], number, call.caller.name, comment, rejected=status == "rejected")
        except ValueError as error:
            text = f"Approval with id {number} is completed already."
            raise self.dialect.error(400, "ApprovalAlreadyCompletedException", text) from error
        if status == "approved":
            self.store.put(YES, number, {"by": said})
        fresh = runner.record(run["id"]) or run
        job = next(each for _, each in jobs(fresh) if each["id"] == job["id"])
        return self._shown(call, fresh, job, True)

    def _check_approver(self, call: Call, settings: Body, run: Body) -> None:
        mine = identity_id(self.organization(call), call.caller.object_id)
        if mine not in [one["id"] for one in settings["approvers"]]:
            raise self.denied(call.caller, "Approve")
        own = identity_id(self.organization(call), Principal(**run["requested_by"]).object_id)
        if settings.get("requesterCannotBeApprover") and own == mine:
            text = "You cannot approve a run that you have requested."
            raise self.dialect.error(403, "AccessDeniedException", text)
