"""The steps of an Azure pipeline (Microsoft, "YAML schema reference": steps; "Azure Pipelines task reference")."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping

from mlops_tui.sandbox.pipelines import azure_expressions
from mlops_tui.sandbox.pipelines.expressions import ExpressionError, Tree
from mlops_tui.sandbox.pipelines.plan import Action, Step
from mlops_tui.sandbox.pipelines.yaml_file import Node

COMMON = ("name", "displayName", "condition", "continueOnError", "enabled", "env", "timeoutInMinutes")
OWN = {  # what each kind of step knows beside that
    "script": ("workingDirectory",),
    "bash": ("workingDirectory",),
    "checkout": ("fetchDepth", "persistCredentials", "clean", "fetchTags", "submodules", "lfs"),
    "publish": ("artifact",),
    "download": ("artifact",),
    "task": ("inputs",),
}
NAME = re.compile(r"[A-Za-z_]\w*")
Inputs = dict[str, str]


def read(node: Node, is_deployment: bool) -> tuple[Step, ...]:
    """With those that the host adds by itself: a job checks out, a deployment takes over what was published."""
    items = node.items("steps")
    kinds = [_kind(item) for item in items]
    steps = [step for item in items for step in _step(item)]
    added: list[Step] = [_own(node, "set-up", "Initialize job")]
    if not is_deployment and "checkout" not in kinds:
        added.append(_own(node, "checkout", ""))
    if is_deployment and "download" not in kinds:
        added.append(_own(node, "download", "Download Artifact"))
    names = [step.name.lower() for step in steps if step.name]
    if len(set(names)) < len(names):
        raise node.refuse("two steps have one name")
    return (*added, *steps)


def _own(node: Node, action: Action, title: str) -> Step:
    return Step(node.line, action, azure_expressions.SUCCEEDED, title=title)


def _kind(item: Node) -> str:
    pairs = item.pairs("a step")
    kinds = [key for key, _ in pairs if key.value in OWN]
    if len(kinds) == 1:
        return kinds[0].value
    if kinds or not pairs:
        raise item.refuse(f"a step is one of {', '.join(OWN)}")
    raise pairs[0][0].unknown(f"the step '{pairs[0][0].value}'")


def _step(item: Node) -> Iterator[Step]:
    """Nothing for one that is switched off, and for `checkout: none` and `download: none`."""
    kind = _kind(item)
    fields = item.fields(f"a {kind} step", (kind, *COMMON, *OWN[kind]))
    action, title, inputs = _task(item, fields) if kind == "task" else SHORT[kind](item, fields)
    if ("enabled" in fields and not fields["enabled"].flag("enabled")) or inputs.get("none"):
        return
    name = _text(fields, "name")
    if name and not NAME.fullmatch(name):
        raise fields["name"].refuse(f"'{name}' is not a valid name: letters, digits and _ alone")
    yield Step(
        line=item.line,
        action=action,
        condition=_condition(fields.get("condition")),
        name=name,
        title=_text(fields, "displayName") or title,
        inputs=inputs,
        env=fields["env"].texts("env") if "env" in fields else {},
        continue_on_error=_text(fields, "continueOnError") or "false",
        minutes=_text(fields, "timeoutInMinutes"),
        folder=inputs.pop("folder", "") or _text(fields, "workingDirectory"),
    )


def _text(fields: Mapping[str, Node], key: str) -> str:
    return fields[key].text(key) if key in fields else ""


def _condition(node: Node | None) -> Tree:
    try:
        return azure_expressions.read_condition(node.text("a condition") if node else "")
    except ExpressionError as error:
        assert node is not None
        raise node.refuse(str(error)) from error


Read = tuple[Action, str, Inputs]


def _script(item: Node, fields: Mapping[str, Node]) -> Read:
    key = "script" if "script" in fields else "bash"
    return "run", "CmdLine" if key == "script" else "Bash", {"script": fields[key].text(key)}


def _checkout(item: Node, fields: Mapping[str, Node]) -> Read:
    what = fields["checkout"].text("checkout")
    if what not in ("self", "none"):
        raise fields["checkout"].unknown(f"checkout '{what}'")
    for key in ("persistCredentials", "submodules", "lfs"):
        if key in fields and fields[key].flag(key):
            raise fields[key].unknown(f"'{key}: true' of a checkout")
    return "checkout", "", {"depth": _text(fields, "fetchDepth")} | ({"none": "yes"} if what == "none" else {})


def _publish(item: Node, fields: Mapping[str, Node]) -> Read:
    return "upload", "PublishPipelineArtifact", _upload(fields["publish"].text("publish"), _text(fields, "artifact"))


def _upload(path: str, name: str) -> Inputs:
    return {"path": path, "name": name, "missing": "error", "hidden": "true"}


def _download(item: Node, fields: Mapping[str, Node]) -> Read:
    what, name = fields["download"].text("download"), _text(fields, "artifact")
    if what == "none":
        return "download", "", {"none": "yes"}
    if what != "current":
        raise fields["download"].unknown(f"download '{what}'")
    return "download", "DownloadPipelineArtifact", {"name": name, "path": name}


SHORT: dict[str, Callable[[Node, Mapping[str, Node]], Read]] = {
    "script": _script,
    "bash": _script,
    "checkout": _checkout,
    "publish": _publish,
    "download": _download,
}


def _task(item: Node, fields: Mapping[str, Node]) -> Read:
    task = fields["task"].text("task")
    if task not in TASKS:
        raise fields["task"].unknown(f"the task '{task}'")
    return TASKS[task](item, fields.get("inputs"))


def _inputs(item: Node, node: Node | None, known: Collection[str], needed: Collection[str] = ()) -> dict[str, Node]:
    """By lower-case name, for the host does not look at the case."""
    found: dict[str, Node] = {}
    for key, value in node.pairs("inputs") if node else ():
        if key.value.lower() not in known:
            raise key.unknown(f"the input '{key.value}'")
        found[key.value.lower()] = value
    missing = [name for name in needed if name not in found]
    if missing:
        raise item.refuse(f"the input '{missing[0]}' is missing")
    return found


def _only(inputs: Mapping[str, Node], key: str, *allowed: str) -> None:
    if key in inputs and (value := inputs[key].text(key)).lower() not in allowed:
        raise inputs[key].unknown(f"the input {key} '{value}'")


def _python(item: Node, node: Node | None) -> Read:
    inputs = _inputs(item, node, ("versionspec", "addtopath", "architecture"))
    _only(inputs, "architecture", "x64")
    return "python", "UsePythonVersion", {"version": _text(inputs, "versionspec") or "3.x"}


def _cache(item: Node, node: Node | None) -> Read:
    inputs = _inputs(item, node, ("key", "path", "restorekeys", "cachehitvar"), ("key", "path"))
    return "cache", "Cache", {"key": _text(inputs, "key"), "variable": _text(inputs, "cachehitvar")}


def _azure_cli(item: Node, node: Node | None) -> Read:
    known = (
        *("azuresubscription", "connectedservicenamearm", "scripttype", "scriptlocation", "inlinescript"),
        *("workingdirectory", "cwd", "failonstandarderror", "addspntoenvironment", "visibleazlogin"),
    )
    inputs = _inputs(item, node, known, ("scripttype", "inlinescript"))
    _only(inputs, "scripttype", "bash")
    _only(inputs, "scriptlocation", "inlinescript")
    for key in ("failonstandarderror", "addspntoenvironment"):
        _only(inputs, key, "false")
    connection = _text(inputs, "azuresubscription") or _text(inputs, "connectedservicenamearm")
    if not connection:
        raise item.refuse("the input 'azureSubscription' is missing")
    if "$(" in connection:
        raise item.refuse("azureSubscription must be known before the run begins: a name, or a parameter")
    folder = _text(inputs, "workingdirectory") or _text(inputs, "cwd")
    script = _text(inputs, "inlinescript")
    return "azure-cli", "AzureCLI", {"connection": connection, "script": script, "folder": folder}


def _publish_task(item: Node, node: Node | None) -> Read:
    inputs = _inputs(item, node, ("targetpath", "path", "artifact", "artifactname", "publishlocation", "artifacttype"))
    _only(inputs, "publishlocation", "pipeline")
    _only(inputs, "artifacttype", "pipeline")
    path = _text(inputs, "targetpath") or _text(inputs, "path") or "$(Pipeline.Workspace)"
    name = _text(inputs, "artifact") or _text(inputs, "artifactname")
    return "upload", "PublishPipelineArtifact", _upload(path, name)


def _download_task(item: Node, node: Node | None) -> Read:
    known = ("source", "buildtype", "artifact", "artifactname", "targetpath", "path")
    inputs = _inputs(item, node, known)
    _only(inputs, "source", "current")
    _only(inputs, "buildtype", "current")
    path = _text(inputs, "targetpath") or _text(inputs, "path")
    name = _text(inputs, "artifact") or _text(inputs, "artifactname")
    return "download", "DownloadPipelineArtifact", {"name": name, "path": path}


TASKS: dict[str, Callable[[Node, Node | None], Read]] = {
    "UsePythonVersion@0": _python,
    "Cache@2": _cache,
    "AzureCLI@2": _azure_cli,
    "PublishPipelineArtifact@1": _publish_task,
    "DownloadPipelineArtifact@2": _download_task,
}
