"""What GitHub reads of a workflow's file by itself: its name, and what a dispatch may say. The runner reads the rest.

Messages: GitHub REST API, "Create a workflow dispatch event" (422).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

FOLDER = ".github/workflows/"
MOST_INPUTS = 25


@dataclass(frozen=True)
class WorkflowFile:
    name: str  # empty: GitHub shows its path
    dispatchable: bool
    inputs: Mapping[str, Mapping[str, Any]]


def is_workflow(path: str) -> bool:
    folder, _, name = path.rpartition("/")
    return f"{folder}/" == FOLDER and name.endswith((".yml", ".yaml"))


def read(text: bytes) -> WorkflowFile:
    """As far as it can be read; whether it is good is the runner's to say."""
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError:
        document = None
    if not isinstance(document, dict):
        return WorkflowFile("", False, {})
    on = document.get("on", document.get(True))  # YAML 1.1 takes a plain "on" for a yes
    dispatchable = "workflow_dispatch" in (on if isinstance(on, dict | list) else [on])
    told = on.get("workflow_dispatch") if isinstance(on, dict) else None
    inputs = told.get("inputs") if isinstance(told, dict) else None
    wanted = {str(name): one if isinstance(one, dict) else {} for name, one in (inputs or {}).items()}
    return WorkflowFile(str(document.get("name") or ""), dispatchable, wanted)


def objection(file: WorkflowFile, given: Mapping[str, Any]) -> str:
    """Why these inputs will not do, in GitHub's words; empty where they will."""
    if not file.dispatchable:
        return "Workflow does not have 'workflow_dispatch' trigger"
    if unexpected := [name for name in given if name not in file.inputs]:
        return f"Unexpected inputs provided: {json.dumps(unexpected)}"
    for name, rules in file.inputs.items():
        value = given.get(name)
        if value is None:
            if rules.get("required") and rules.get("default") is None:
                return f"Required input '{name}' not provided"
        elif rules.get("type") == "choice" and str(value) not in map(str, rules.get("options") or ()):
            return f"Provided value '{value}' for input '{name}' not in the list of allowed values"
        elif rules.get("type") == "boolean" and str(value).lower() not in ("true", "false"):
            return f"Provided value '{value}' for input '{name}' is not a boolean"
    return ""
