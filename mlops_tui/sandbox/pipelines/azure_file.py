"""azure-pipelines.yml, read: stages and jobs (Microsoft, "YAML schema reference for Azure Pipelines").

Anchors are refused, ${{ }} is worked out first. What is not here is refused with its line, never passed over.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mlops_tui.sandbox.pipelines import azure_expressions, azure_parameters, azure_steps, yaml_file
from mlops_tui.sandbox.pipelines.azure_templates import Template
from mlops_tui.sandbox.pipelines.expressions import ExpressionError, Tree
from mlops_tui.sandbox.pipelines.plan import Concurrency, Filter, Job, Plan, Stage, Trigger, circle
from mlops_tui.sandbox.pipelines.yaml_file import Node, Scalar, Sequence

ROOT = ("name", "trigger", "pr", "parameters", "variables", "pool", "stages", "jobs", "steps", "lockBehavior")
STAGE = ("stage", "displayName", "dependsOn", "condition", "variables", "pool", "jobs", "lockBehavior")
JOB = (
    *("job", "displayName", "dependsOn", "condition", "continueOnError", "timeoutInMinutes"),
    *("cancelTimeoutInMinutes", "variables", "pool", "steps", "workspace"),
)
DEPLOYMENT = ("deployment", "environment", "strategy", *(key for key in JOB if key not in ("job", "steps")))
NAME = re.compile(r"[A-Za-z_]\w*")
ENVIRONMENT_LOCK = "environment/{}"  # what lockBehavior queues for
HOSTED = "Azure Pipelines"
DEFAULT_NUMBER = "$(Date:yyyyMMdd)$(Rev:.r)"


def read(file: str, data: bytes, given: Mapping[str, str] | None, facts: Mapping[str, str]) -> Plan:
    """With those parameters; None reads it for its own sake, without a run.

    `facts` are the variables that are known before a run begins (Build.Reason …). Raises PipelineFileError for the
    file, ValueError for a parameter.
    """
    root = yaml_file.parse(file, data, aliases=False)
    declared = azure_parameters.declared(root.get("parameters"))
    values = azure_parameters.values(declared, given)
    own = root.get("variables")
    static = dict(_variables(Template(values, facts).worked_out(own))) if own else {}
    entries = tuple((key, value) for key, value in root.entries if key.value != "parameters")
    template = Template(values, {**facts, **static})
    fields = template.worked_out(yaml_file.Mapping(file, root.line, entries)).fields("the pipeline", ROOT)
    given_to_all = _Outer(_pool(fields.get("pool")), _lock(fields))
    _trigger(fields.get("pr"), "pr")
    stages = tuple(_stages(fields, root, given_to_all))
    _check_needs(root, {stage.name: stage.needs for stage in stages}, {stage.name: stage.line for stage in stages})
    return Plan(
        name=fields["name"].text("name") if "name" in fields else DEFAULT_NUMBER,
        stages=stages,
        trigger=_trigger(fields.get("trigger"), "trigger"),
        parameters=declared,
        values=values,
        variables=tuple(_variables(fields.get("variables"))),
    )


@dataclass(frozen=True)
class _Outer:
    """What holds for jobs that say nothing else."""

    pool: str
    lock: str

    def within(self, fields: Mapping[str, Node]) -> _Outer:
        return _Outer(_pool(fields["pool"]) if "pool" in fields else self.pool, _lock(fields) or self.lock)


def _stages(fields: Mapping[str, Node], root: Node, outer: _Outer) -> Iterator[Stage]:
    ways = [key for key in ("stages", "jobs", "steps") if key in fields]
    if len(ways) != 1:
        raise root.refuse("a pipeline has one of stages, jobs and steps")
    node = fields[ways[0]]
    if ways == ["stages"]:
        before: tuple[str, ...] = ()
        for item in node.items("stages"):
            stage = _stage(item, before, outer)
            before = (stage.name,)
            yield stage
        return
    if ways == ["jobs"]:
        jobs = tuple(_jobs(node, outer))
    else:
        steps = azure_steps.read(node, is_deployment=False)
        always = azure_expressions.SUCCEEDED
        jobs = (Job(node.line, "Job", "Job", always, steps, pool=outer.pool, connections=_connections(steps)),)
    yield Stage(node.line, "__default", "__default", azure_expressions.SUCCEEDED, jobs)


def _stage(item: Node, before: tuple[str, ...], outer: _Outer) -> Stage:
    fields = item.fields("a stage", STAGE)
    name = _name(item, fields, "stage")
    if "jobs" not in fields:
        raise item.refuse(f"the stage '{name}' has no jobs")
    jobs = tuple(_jobs(fields["jobs"], outer.within(fields)))
    return Stage(
        line=item.line,
        name=name,
        title=_title(fields, name),
        condition=condition(fields.get("condition")),
        jobs=jobs,
        needs=tuple(fields["dependsOn"].words("dependsOn")) if "dependsOn" in fields else before,
        variables=tuple(_variables(fields.get("variables"))),
    )


def _jobs(node: Node, outer: _Outer) -> Iterator[Job]:
    jobs = [_job(item, outer) for item in node.items("jobs")]
    if not jobs:
        raise node.refuse("there are no jobs")
    _check_needs(node, {job.name: job.needs for job in jobs}, {job.name: job.line for job in jobs})
    if len({job.name.lower() for job in jobs}) < len(jobs):
        raise node.refuse("two jobs have one name")
    yield from jobs


def _job(item: Node, outer: _Outer) -> Job:
    is_deployment = any(key.value == "deployment" for key, _ in item.pairs("a job"))
    fields = item.fields("a deployment job" if is_deployment else "a job", DEPLOYMENT if is_deployment else JOB)
    name = _name(item, fields, "deployment" if is_deployment else "job")
    environment = _text(fields, "environment")
    if is_deployment and not environment:
        raise item.refuse(f"the deployment job '{name}' names no environment")
    steps = azure_steps.read(_deploy(item, fields) if is_deployment else _needed(item, fields, "steps"), is_deployment)
    return Job(
        line=item.line,
        name=name,
        title=_title(fields, name),
        condition=condition(fields.get("condition")),
        steps=steps,
        needs=tuple(fields["dependsOn"].words("dependsOn")) if "dependsOn" in fields else (),
        pool=outer.within(fields).pool,
        environment=environment,
        variables=tuple(_variables(fields.get("variables"))),
        minutes=_text(fields, "timeoutInMinutes"),
        continue_on_error=_text(fields, "continueOnError") or "false",
        connections=_connections(steps),
        concurrency=_concurrency(outer.lock, environment),
    )


def _concurrency(lock: str, environment: str) -> Concurrency | None:
    if not lock or not environment:
        return None
    return Concurrency(ENVIRONMENT_LOCK.format(environment), keeps_order=lock == "sequential")


def _deploy(item: Node, fields: Mapping[str, Node]) -> Node:
    strategy = _needed(item, fields, "strategy").fields("a strategy", ("runOnce",))
    once = _needed(item, strategy, "runOnce").fields("runOnce", ("deploy",))
    deploy = _needed(item, once, "deploy").fields("deploy", ("steps",))
    return _needed(item, deploy, "steps")


def _needed(item: Node, fields: Mapping[str, Node], key: str) -> Node:
    if key not in fields:
        raise item.refuse(f"'{key}' is missing")
    return fields[key]


def _name(item: Node, fields: Mapping[str, Node], key: str) -> str:
    name = _needed(item, fields, key).text(key)
    if not NAME.fullmatch(name):
        raise fields[key].refuse(f"'{name}' is not a valid name: letters, digits and _ alone")
    return name


def _title(fields: Mapping[str, Node], name: str) -> str:
    return _text(fields, "displayName") or name


def _text(fields: Mapping[str, Node], key: str) -> str:
    return fields[key].text(key) if key in fields else ""


def _connections(steps: tuple[Any, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(step.inputs["connection"] for step in steps if "connection" in step.inputs))


def _lock(fields: Mapping[str, Node]) -> str:
    lock = _text(fields, "lockBehavior")
    if lock not in ("", "sequential", "runLatest"):
        raise fields["lockBehavior"].unknown(f"lockBehavior '{lock}'")
    return lock


def _pool(node: Node | None) -> str:
    """A pool's name, "" for hosted machines. Any Linux machine is this one; others are refused."""
    if node is None or isinstance(node, Scalar):
        return node.value if node else ""
    fields = node.fields("a pool", ("vmImage", "name"))
    image = _text(fields, "vmImage")
    if image and not image.startswith(("ubuntu", "$(")):
        raise node.unknown(f"vmImage '{image}'")
    name = _text(fields, "name")
    return "" if name == HOSTED else name


def condition(node: Node | None) -> Tree:
    """Raises PipelineFileError."""
    return worked(node, azure_expressions.read_condition)


def worked(node: Node | None, reading: Callable[[str], Tree]) -> Tree:
    try:
        return reading(node.text("an expression") if node else "")
    except ExpressionError as error:
        assert node is not None
        raise node.refuse(str(error)) from error


def _variables(node: Node | None) -> Iterator[tuple[str, str]]:
    """Of the map and of the list form."""
    if node is None:
        return
    if not isinstance(node, Sequence):
        pairs = [(key.value, value) for key, value in node.pairs("variables")]
    else:
        rows = [item.fields("a variable", ("name", "value", "readonly")) for item in node.nodes]
        pairs = [
            (_needed(item, row, "name").text("name"), _needed(item, row, "value"))
            for item, row in zip(node.nodes, rows, strict=True)
        ]
    for name, value in pairs:
        text = value.text(f"the variable '{name}'")
        if found := azure_expressions.RUNTIME.fullmatch(text):
            worked(Scalar(value.file, value.line, found[1]), azure_expressions.read_condition)
        yield name, text


def _trigger(node: Node | None, what: str) -> Trigger | None:
    """None for `none`. Left out, every push starts it, as on the host."""
    if node is None:
        return Trigger()
    if isinstance(node, Scalar):
        if node.value != "none":
            raise node.refuse(f"'{what}' is none, a list of branches or a mapping")
        return None
    if isinstance(node, Sequence):
        return Trigger(Filter(tuple(node.words(what)), wide=True))
    fields = node.fields(what, ("branches", "paths"))
    branches, paths = _patterns(fields.get("branches")), _patterns(fields.get("paths"))
    return Trigger(Filter(branches, wide=True), Filter(paths, below=True))


def _patterns(node: Node | None) -> tuple[str, ...]:
    if node is None:
        return ()
    if isinstance(node, Sequence):
        return tuple(node.words("patterns"))
    fields = node.fields("a filter", ("include", "exclude"))
    included = fields["include"].words("include") if "include" in fields else []
    excluded = fields["exclude"].words("exclude") if "exclude" in fields else []
    return (*included, *(f"!{one}" for one in excluded))


def _check_needs(node: Node, needs: Mapping[str, tuple[str, ...]], lines: Mapping[str, int]) -> None:
    for name, wanted in needs.items():
        place = Node(node.file, lines[name])
        if missing := [one for one in wanted if one not in needs]:
            raise place.refuse(f"'{name}' depends on '{missing[0]}', which is not there")
    if found := circle(needs):
        raise Node(node.file, lines[found[0]]).refuse(f"{', '.join(found)} depend on each other in a circle")
