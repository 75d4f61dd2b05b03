"""One of each event of pipelines, as the stories of a front end need them."""

from __future__ import annotations

from dataclasses import replace

from mlops_tui import events
from mlops_tui.events import Event
from tests.unit.pipeline_host import ASKED, RUN, TREE

ENDED = replace(RUN, id="16", number="20261127.4", state="failed", started=1.79e9, finished=1.79e9 + 92.34)
PIPELINE_EVENTS: tuple[Event, ...] = (
    events.PipelineRunState(run=RUN),
    events.PipelinePartState(run="17", part=replace(TREE["s1"], state="running"), order=0, source="Train"),
    events.PipelineApprovalAsked(approval=ASKED, command="mlops-tui ci approve 17"),
    events.PipelineApproved(run="17", stage="Production", by=""),
    events.PipelineRunsListed(
        host="Azure DevOps",
        page="https://dev.azure.com/contoso",
        runs=(replace(RUN, state="waiting"), ENDED),
        approvals=(ASKED,),
    ),
)
