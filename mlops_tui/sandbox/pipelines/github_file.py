"""A workflow's file, read: triggers and jobs (GitHub, "Workflow syntax for GitHub Actions").

What is not here is refused with its line, never passed over.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from mlops_tui.sandbox.pipelines import github_inputs, github_steps, yaml_file
from mlops_tui.sandbox.pipelines.github_texts import SUCCESS, condition, pairs, text
from mlops_tui.sandbox.pipelines.plan import Concurrency, Filter, Job, Plan, Stage, Trigger, circle
from mlops_tui.sandbox.pipelines.yaml_file import Mapping as YamlMapping
from mlops_tui.sandbox.pipelines.yaml_file import Node, Scalar, Sequence

ROOT = ("name", "run-name", "on", "permissions", "env", "defaults", "concurrency", "jobs")
JOB = (
    *("name", "needs", "if", "runs-on", "environment", "concurrency", "permissions", "outputs", "env", "defaults"),
    *("timeout-minutes", "continue-on-error", "steps"),
)
EVENTS = ("push", "pull_request", "workflow_dispatch")
SCOPES = (
    *("actions", "attestations", "checks", "contents", "deployments", "discussions", "id-token", "issues", "models"),
    *("packages", "pages", "pull-requests", "repository-projects", "security-events", "statuses"),
)
USUAL = {"contents": "read", "packages": "read"}  # where a file says nothing (the default of new repositories)
NAME = re.compile(r"[A-Za-z_][\w-]*")
GLOB = re.compile(r"[?+\[\]]")


def read(file: str, data: bytes, given: Mapping[str, str] | None, facts: Mapping[str, str]) -> Plan:
    """With those inputs; None reads it for its own sake, without a run.

    Raises PipelineFileError for the file, ValueError for an input.
    """
    root = yaml_file.parse(file, data, aliases=True)
    fields = root.fields("the workflow", ROOT)
    for key in ("on", "jobs"):
        if key not in fields:
            raise root.refuse(f"'{key}' is missing")
    events = _events(fields["on"])
    inputs = github_inputs.declared(events.get("workflow_dispatch"))
    is_pushed = facts.get("github.event_name") == "push"
    reader = _Jobs(fields)
    jobs = tuple(reader.job(key, value) for key, value in fields["jobs"].pairs("jobs"))
    _check(fields["jobs"], jobs)
    _trigger(events.get("pull_request"))
    return Plan(
        name=text(fields.get("run-name"), "run-name"),
        stages=(Stage(fields["jobs"].line, "", "", SUCCESS, jobs),),
        trigger=_trigger(events["push"]) if "push" in events else None,
        parameters=inputs,
        values={} if is_pushed else github_inputs.values(inputs, given),
        variables=pairs(fields.get("env"), "env"),
        concurrency=concurrency(fields.get("concurrency")),
        can_be_started="workflow_dispatch" in events,
    )


def concurrency(node: Node | None) -> Concurrency | None:
    if node is None:
        return None
    if isinstance(node, Scalar):
        return Concurrency(text(node, "concurrency"))
    fields = node.fields("concurrency", ("group", "cancel-in-progress"))
    if "group" not in fields:
        raise node.refuse("'group' is missing")
    cancels = text(fields.get("cancel-in-progress"), "cancel-in-progress") or "false"
    return Concurrency(text(fields["group"], "group"), cancels)


class _Jobs:
    """Reads jobs with what the workflow says for all of them."""

    def __init__(self, fields: Mapping[str, Node]) -> None:
        self._permissions = permissions(fields.get("permissions"), USUAL)
        self._defaults = github_steps.defaults(fields.get("defaults"))

    def job(self, key: Scalar, node: Node) -> Job:
        if not NAME.fullmatch(key.value):
            raise key.refuse(f"'{key.value}' is not a valid job id: letters, digits, _ and - alone")
        fields = node.fields(f"the job '{key.value}'", JOB)
        for needed in ("runs-on", "steps"):
            if needed not in fields:
                raise key.refuse(f"'{needed}' is missing in the job '{key.value}'")
        _machine(fields["runs-on"])
        environment, url = _environment(fields.get("environment"))
        return Job(
            line=key.line,
            name=key.value,
            title=text(fields.get("name"), "name") or key.value,
            condition=condition(fields.get("if")),
            steps=github_steps.read(fields["steps"], self._defaults | github_steps.defaults(fields.get("defaults"))),
            needs=tuple(fields["needs"].words("needs")) if "needs" in fields else (),
            environment=environment,
            url=url,
            variables=pairs(fields.get("env"), "env"),
            outputs=dict(pairs(fields.get("outputs"), "outputs")),
            minutes=text(fields.get("timeout-minutes"), "timeout-minutes"),
            continue_on_error=text(fields.get("continue-on-error"), "continue-on-error") or "false",
            permissions=permissions(fields.get("permissions"), self._permissions),
            concurrency=concurrency(fields.get("concurrency")),
        )


def permissions(node: Node | None, otherwise: Mapping[str, str]) -> Mapping[str, str]:
    """What is not named is not given."""
    if node is None:
        return otherwise
    if isinstance(node, Scalar):
        if node.value not in ("read-all", "write-all"):
            raise node.refuse("permissions are read-all, write-all or a mapping")
        return dict.fromkeys(SCOPES, node.value.removesuffix("-all"))
    found = node.fields("permissions", SCOPES)
    for scope, level in found.items():
        if level.text(scope) not in ("read", "write", "none"):
            raise level.refuse(f"the permission '{scope}' is read, write or none")
    return {scope: level.text(scope) for scope, level in found.items()}


def _machine(node: Node) -> None:
    """Any Linux machine is this one."""
    for label in node.words("runs-on"):
        if label.startswith(("windows", "macos")):
            raise node.unknown(f"runs-on '{label}'")


def _environment(node: Node | None) -> tuple[str, str]:
    if node is None or isinstance(node, Scalar):
        return text(node, "environment"), ""
    fields = node.fields("environment", ("name", "url"))
    if "name" not in fields:
        raise node.refuse("'name' is missing")
    return text(fields["name"], "name"), text(fields.get("url"), "url")


def _events(node: Node) -> dict[str, Node]:
    if isinstance(node, YamlMapping):
        return node.fields("on", EVENTS)
    found: dict[str, Node] = {}
    for item in node.items("on") if isinstance(node, Sequence) else (node,):
        event = item.text("an event")
        if event not in EVENTS:
            raise item.unknown(f"the event '{event}'")
        found[event] = Scalar(item.file, item.line, "")
    return found


def _trigger(node: Node | None) -> Trigger:
    if node is None:
        return Trigger()
    fields = node.fields("an event", ("branches", "branches-ignore", "paths", "paths-ignore"))
    return Trigger(_filter(node, fields, "branches"), _filter(node, fields, "paths"))


def _filter(node: Node, fields: Mapping[str, Node], key: str) -> Filter:
    ignored = f"{key}-ignore"
    if key in fields and ignored in fields:
        raise node.refuse(f"'{key}' and '{ignored}' cannot stand together")
    found = fields.get(key) or fields.get(ignored)
    patterns = found.words(key) if found else []
    for pattern in patterns:
        if found and GLOB.search(pattern):
            raise found.unknown(f"the pattern '{pattern}'")
    return Filter(tuple(f"!{one}" for one in patterns) if ignored in fields else tuple(patterns))


def _check(node: Node, jobs: tuple[Job, ...]) -> None:
    if not jobs:
        raise node.refuse("there are no jobs")
    needs = {job.name: job.needs for job in jobs}
    for job in jobs:
        if missing := [name for name in job.needs if name not in needs]:
            raise Node(node.file, job.line).refuse(f"the job '{job.name}' needs '{missing[0]}', which is not there")
    if found := circle(needs):
        line = next(job.line for job in jobs if job.name == found[0])
        raise Node(node.file, line).refuse(f"{', '.join(found)} need each other in a circle")
