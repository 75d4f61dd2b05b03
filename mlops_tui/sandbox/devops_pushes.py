"""What a push sets going: the pipelines whose file names the branch as a trigger.

Source: "Configure a pipeline to trigger on pushes" of Azure Repos, "Skip CI for individual pushes".
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

from mlops_tui.sandbox import devops_pipeline, git_server
from mlops_tui.sandbox.api import Body, Principal
from mlops_tui.sandbox.devops_definitions import DEFINITION
from mlops_tui.sandbox.devops_pipeline import HOST, Pipeline
from mlops_tui.sandbox.git_server import Update
from mlops_tui.sandbox.pipelines.model import PipelineFileError
from mlops_tui.sandbox.pipelines.service import Pipelines

if TYPE_CHECKING:
    from mlops_tui.sandbox.sandbox import Sandbox

log = logging.getLogger("mlops_tui.sandbox")
SKIP = re.compile(
    r"\[(skip ci|ci skip|skip azurepipelines|azurepipelines skip|skip azpipelines|azpipelines skip|skip azp|azp skip)]"
    r"|skip-checks: true|\*\*\*NO_CI\*\*\*",
    re.IGNORECASE,
)


def start_runs(
    sandbox: Sandbox, organization: Body, project: Body, repository: Body, updates: list[Update], by: Principal
) -> None:
    """One run for each of the repository's pipelines that a branch in `updates` triggers. A file that cannot be read
    starts none: what is wrong with it is said to whoever queues it."""
    for definition in sandbox.store.list(DEFINITION, project["id"] + "/"):
        if definition["repository"]["id"] != repository["id"]:
            continue
        pipeline = devops_pipeline.of(sandbox, organization, project, definition)
        for update in updates:
            try:
                _start(sandbox, pipeline, update, by)
            except (LookupError, PipelineFileError, ValueError) as error:
                log.warning("the push starts no run of %s: %s", definition["name"], error)


def _start(sandbox: Sandbox, pipeline: Pipeline, update: Update, by: Principal) -> None:
    commit, path = update.after, pipeline.directory
    if commit is None or SKIP.search(git_server.message(path, commit)):
        return
    runner = sandbox.find(Pipelines)
    text = git_server.show(path, commit, pipeline.file)
    before = git_server.tree(path, update.before) if update.before else {}
    after = git_server.tree(path, commit)
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    if runner.triggers(HOST, pipeline.file, text, update.branch, changed):
        runner.launch(pipeline.order(update.branch, commit, by, "push"))
