"""A build ties together data, runs, model and deployments: a number and who builds."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True)
class Build:
    """Every run and model version carries these as the tags build_number and build_source."""

    number: str
    source: str


def build_of(environment: Mapping[str, str], number: str = "", source: str = "") -> Build:
    """What was given, else the CI host's build (Azure DevOps, GitHub), else a new local one.

    A re-run attempt on GitHub is a build of its own: its runs must not mix with those of the attempt before.
    """
    if number:
        return Build(number, source or "manual")
    if environment.get("BUILD_BUILDNUMBER"):
        return Build(environment["BUILD_BUILDNUMBER"], source or "AzureDevOps")
    if environment.get("GITHUB_RUN_NUMBER"):
        attempt = environment.get("GITHUB_RUN_ATTEMPT", "1")
        suffix = "" if attempt == "1" else f".{attempt}"
        return Build(environment["GITHUB_RUN_NUMBER"] + suffix, source or "GitHub")
    return Build(f"local-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}", source or "local")
