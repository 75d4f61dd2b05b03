"""The rules of single values. Each takes a value and gives it back in its canonical spelling.

They raise ValueError with a reason that goes on from the value: "'my group!' must be 1 to 90 characters: …".
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

Rule = Callable[[Any], Any]


def matches(pattern: str, reason: str) -> Rule:
    compiled = re.compile(pattern)

    def check(text: str) -> str:
        if not compiled.fullmatch(text):
            raise ValueError(reason)
        return text

    return check


def between(least: float, most: float = math.inf) -> Rule:
    wanted = f"must be {least} or more" if most == math.inf else f"must be between {least} and {most}"

    def check(number: float) -> float:
        if not least <= number <= most:
            raise ValueError(wanted)
        return number

    return check


def one_line(longest: int) -> Rule:
    def check(text: str) -> str:
        if not text.strip():
            raise ValueError("must not be empty")
        if len(text) > longest:
            raise ValueError(f"must not be longer than {longest} characters")
        if not text.isprintable() or text != text.strip():
            raise ValueError("must be one line without spaces at its ends")
        return text

    return check


def resource_group(text: str) -> str:
    # Azure resource naming rules, Microsoft.Resources/resourceGroups; letters and digits of any alphabet.
    if not re.fullmatch(r"[\w.()-]{1,90}", text):
        raise ValueError("must be 1 to 90 characters: letters, digits, _ - . ( )")
    if text.endswith("."):
        raise ValueError("must not end in a period")
    return text


def guid(text: str) -> str:
    if not re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", text):
        raise ValueError("must be an id like 00000000-0000-0000-0000-000000000000")
    return text.lower()


def location(text: str) -> str:
    """Azure takes "West Europe" and answers "westeurope"; so do we."""
    short = text.replace(" ", "").lower()
    if not re.fullmatch(r"[a-z][a-z0-9]+", short):
        raise ValueError("must be the name of a region, such as westeurope")
    return short


def host(text: str) -> str:
    """A workspace's address as people copy it: with a slash, with ?o=…, or without https://."""
    if "://" not in text:
        text = f"https://{text}"
    found = re.fullmatch(r"(https://[A-Za-z0-9.-]+(:\d{1,5})?)/?(\?[^#\s]*)?(#\S*)?", text)
    if not found:
        raise ValueError("must be a URL like https://adb-1234567890123456.7.azuredatabricks.net")
    return found.group(1).lower()


def folder(*beginnings: str) -> Rule:
    def check(text: str) -> str:
        short = text.rstrip("/")
        if not any(short.startswith(beginning) and short != beginning for beginning in beginnings):
            raise ValueError(f"must be a folder that starts with {' or '.join(beginnings)}")
        return str(one_line(1024)(short))

    return check


word = matches(r"[^\s]{1,128}", "must be one word")
project_name = matches(
    r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", "must be 1 to 63 characters: letters, digits, _ - ., not starting with a sign"
)
# Azure resource naming rules: Microsoft.Databricks and Microsoft.MachineLearningServices.
databricks_name = matches(r"[A-Za-z0-9_-]{3,64}", "must be 3 to 64 characters: letters, digits, _ -")
ml_name = matches(
    r"[A-Za-z0-9][A-Za-z0-9_-]{2,32}", "must be 3 to 33 characters: letters, digits, _ -, starting with neither _ nor -"
)
# Databricks documentation, Secret scopes.
scope_name = matches(r"[A-Za-z0-9_.@-]{1,128}", "must be 1 to 128 characters: letters, digits, _ - . @")
key_vault = matches(
    r"(?i:/subscriptions/[0-9a-f-]{36}/resourceGroups/[^/]+/providers/Microsoft\.KeyVault/vaults/[a-z0-9-]{3,24})",
    "must be a resource id: /subscriptions/…/resourceGroups/…/providers/Microsoft.KeyVault/vaults/…",
)

# Azure resource naming rules, Microsoft.ContainerRegistry/registries.
container_registry = matches(r"[A-Za-z0-9]{5,50}", "must be 5 to 50 letters and digits")
# Azure ML, attached compute; a Kubernetes cluster's name may be longer, but it is the same here.
compute_name = matches(
    r"[A-Za-z][A-Za-z0-9-]{0,14}[A-Za-z0-9]",
    "must be 2 to 16 characters: letters, digits, -, starting with a letter and not ending with -",
)
# MLflow's registry forbids these signs; Unity Catalog wants all three names.
registered_model = matches(
    r"[^\s./:%\"']{1,255}(\.[^\s./:%\"']{1,255}){2}|[^\s./:%\"']{1,255}",
    "must be one name, or three with periods between them (catalog.schema.name), without / : % and spaces",
)

# Azure DevOps, "Naming restrictions": projects; Git repositories there allow more than GitHub's.
ci_project = matches(
    r"(?!_|\.)[^\\/:*?\"<>|;#$*{},+=\[\]\x00-\x1f]{1,64}(?<![. ])",
    'must be 1 to 64 characters without \\ / : * ? " < > | ; # $ { } , + = [ ], not starting with _ or a period',
)
repository_name = matches(
    r"(?!\.\.?$)[A-Za-z0-9._-]{1,64}(?<!\.git)",
    "must be 1 to 64 characters: letters, digits, . _ -, not ending in .git",
)
# git check-ref-format.
branch_name = matches(
    r"(?!/|-)(?!.*(?://|\.\.|@\{|/\.|\.lock(?:/|$)))[^\s~^:?*\[\\\x00-\x1f\x7f]{1,200}(?<![./])",
    "must be a branch's name as git takes it",
)


def organization(text: str) -> str:
    """By name, or as people copy it: https://dev.azure.com/NAME or https://github.com/NAME."""
    found = re.fullmatch(
        r"(?:https://)?(?:dev\.azure\.com/|github\.com/)?([A-Za-z0-9][A-Za-z0-9-]{0,49})(?:\.visualstudio\.com)?/?",
        text,
    )
    if not found or found.group(1).endswith("-"):
        raise ValueError("must be an organisation's name, or its address such as https://dev.azure.com/contoso")
    return found.group(1)


def model_name(text: str) -> str:
    """Repositories of a container registry are in lower case; the model in Azure ML is named as its repository."""
    short = text.lower()
    if not re.fullmatch(r"[a-z0-9]+([._-][a-z0-9]+)*", short) or not 2 <= len(short) <= 100:
        raise ValueError("must be 2 to 100 characters: letters, digits, and single _ - . between them")
    return short


def autotermination(minutes: int) -> int:
    # Databricks REST reference, Clusters 2.1: autotermination_minutes; 0 keeps the cluster running for ever.
    if minutes != 0 and not 10 <= minutes <= 10_000:
        raise ValueError("must be between 10 and 10000, or 0 for never")
    return minutes


def cloud(name: str) -> str:
    """People say "azure" for the public one."""
    return "AzureCloud" if name.lower() == "azure" else name
