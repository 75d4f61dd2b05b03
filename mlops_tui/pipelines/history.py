"""The runs of the pipeline so far."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from mlops_tui.events import PipelineRunsListed
from mlops_tui.pipelines.host import NO_PIPELINE, where_not_found

if TYPE_CHECKING:
    from mlops_tui.clouds.ci_host import CiHost

AT_ONCE = 4


def list_runs(host: CiHost, limit: int, flags: Sequence[str] = ()) -> PipelineRunsListed:
    """Newest first; `flags` as in `Consent`. Raises NotFoundError where there is no pipeline yet."""
    with where_not_found(NO_PIPELINE):
        runs = host.runs(limit)
    waiting = [run.id for run in runs if run.state == "waiting"]
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="approvals") as pool:
        asked = tuple(approval for found in pool.map(host.approvals, waiting) for approval in found)
    return PipelineRunsListed(host=host.title, page=host.page(), runs=runs, approvals=asked, flags=tuple(flags))
