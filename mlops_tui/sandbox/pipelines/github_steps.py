"""The steps of a workflow: commands, and the actions that are known here by their name, whatever their version."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from mlops_tui.sandbox.pipelines import github_texts
from mlops_tui.sandbox.pipelines.plan import Action, Step
from mlops_tui.sandbox.pipelines.yaml_file import Node

COMMON = ("name", "id", "if", "env", "continue-on-error", "timeout-minutes")
USES = re.compile(r"([\w.-]+/[\w.-]+)@[\w./-]+")
NAME = re.compile(r"[A-Za-z_][\w-]*")
SHELLS = ("bash", "sh", "python")
Inputs = dict[str, str]


def defaults(node: Node | None) -> dict[str, str]:
    """Of commands: shell and working-directory."""
    if node is None:
        return {}
    fields = node.fields("defaults", ("run",))
    run = fields["run"].fields("run", ("shell", "working-directory")) if "run" in fields else {}
    _shell(run)
    return {key: github_texts.text(value, key) for key, value in run.items()}


def read(node: Node, given: Mapping[str, str]) -> tuple[Step, ...]:
    """Those of the file. That a job is set up and completed GitHub shows as steps, which is the host's own."""
    items = node.items("steps")
    if not items:
        raise node.refuse("there are no steps")
    steps = tuple(_step(item, given) for item in items)
    names = [step.name.lower() for step in steps if step.name]
    if len(set(names)) < len(names):
        raise node.refuse("two steps have one id")
    return steps


def _step(item: Node, given: Mapping[str, str]) -> Step:
    keys = {key.value for key, _ in item.pairs("a step")}
    if ("run" in keys) == ("uses" in keys):
        raise item.refuse("a step has either 'run' or 'uses'")
    own = ("run", "shell", "working-directory") if "run" in keys else ("uses", "with")
    fields = item.fields("a step", (*own, *COMMON))
    name = _text(fields, "id")
    if name and not NAME.fullmatch(name):
        raise fields["id"].refuse(f"'{name}' is not a valid id: letters, digits, _ and - alone")
    action, title, inputs = _run(fields, given) if "run" in keys else _uses(fields)
    return Step(
        line=item.line,
        action=action,
        condition=github_texts.condition(fields.get("if")),
        name=name,
        title=_text(fields, "name") or title,
        usual_title=title,
        inputs=inputs,
        env=dict(github_texts.pairs(fields.get("env"), "env")),
        continue_on_error=_text(fields, "continue-on-error") or "false",
        minutes=_text(fields, "timeout-minutes"),
        folder=(_text(fields, "working-directory") or given.get("working-directory", "")) if "run" in keys else "",
    )


def _text(fields: Mapping[str, Node], key: str) -> str:
    return github_texts.text(fields.get(key), key)


def _shell(fields: Mapping[str, Node]) -> str:
    shell = _text(fields, "shell")
    if shell not in ("", *SHELLS):
        raise fields["shell"].unknown(f"the shell '{shell}'")
    return shell


Read = tuple[Action, str, Inputs]


def _run(fields: Mapping[str, Node], given: Mapping[str, str]) -> Read:
    script = _text(fields, "run")
    first = script.strip().partition("\n")[0]
    return "run", f"Run {first}", {"script": script, "shell": _shell(fields) or given.get("shell", "")}


def _uses(fields: Mapping[str, Node]) -> Read:
    written = fields["uses"].text("uses")
    found = USES.fullmatch(written)
    if not found or found[1].lower() not in ACTIONS:
        raise fields["uses"].unknown(f"the action '{written}'")
    known, make = ACTIONS[found[1].lower()]
    given: dict[str, Node] = {}
    for key, value in fields["with"].pairs("with") if "with" in fields else ():
        if key.value.lower() not in known:
            raise key.unknown(f"the input '{key.value}' of {found[1]}")
        given[key.value.lower()] = value
    action, inputs = make(fields["uses"], given)
    return action, f"Run {written}", inputs


Made = tuple[Action, Inputs]


def _checkout(node: Node, given: Mapping[str, Node]) -> Made:
    for key in ("submodules", "lfs"):
        if key in given and given[key].flag(key):
            raise given[key].unknown(f"'{key}: true' of a checkout")
    return "checkout", {"depth": _text(given, "fetch-depth") or "1", "path": _text(given, "path")}


def _python(node: Node, given: Mapping[str, Node]) -> Made:
    return "python", {"version": _text(given, "python-version"), "cache": _text(given, "cache")}


def _cache(node: Node, given: Mapping[str, Node]) -> Made:
    for key in ("path", "key"):
        if key not in given:
            raise node.refuse(f"the input '{key}' is missing")
    return "cache", {"key": _text(given, "key")}


def _upload(node: Node, given: Mapping[str, Node]) -> Made:
    if "path" not in given:
        raise node.refuse("the input 'path' is missing")
    missing = _text(given, "if-no-files-found") or "warn"
    if missing not in ("warn", "error", "ignore"):
        raise given["if-no-files-found"].refuse(f"if-no-files-found is warn, error or ignore, not '{missing}'")
    hidden = "true" if "include-hidden-files" in given and given["include-hidden-files"].flag("it") else ""
    name = _text(given, "name") or "artifact"
    return "upload", {"name": name, "path": _text(given, "path"), "missing": missing, "hidden": hidden}


def _download(node: Node, given: Mapping[str, Node]) -> Made:
    return "download", {"name": _text(given, "name"), "path": _text(given, "path")}


ACTIONS: dict[str, tuple[tuple[str, ...], Callable[[Node, Mapping[str, Node]], Made]]] = {
    "actions/checkout": (
        ("fetch-depth", "persist-credentials", "clean", "path", "submodules", "lfs", "show-progress", "fetch-tags"),
        _checkout,
    ),
    "actions/setup-python": (
        ("python-version", "cache", "cache-dependency-path", "check-latest", "architecture"),
        _python,
    ),
    "actions/cache": (("path", "key", "restore-keys"), _cache),
    "actions/upload-artifact": (
        ("name", "path", "if-no-files-found", "retention-days", "compression-level", "include-hidden-files"),
        _upload,
    ),
    "actions/download-artifact": (("name", "path"), _download),
}
