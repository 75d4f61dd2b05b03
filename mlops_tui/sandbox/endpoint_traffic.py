"""Which deployment of an online endpoint gets how many of a hundred requests, and what Azure refuses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mlops_tui.sandbox.api import Body

MIRROR_LIMIT = 50  # per cent of the traffic


class TrafficError(ValueError):
    """The message is for the caller."""


def check_traffic(asked: Any, deployments: Sequence[Body], before: Mapping[str, int]) -> dict[str, int]:
    """Shares in per cent by deployment, spelled as the deployments are. Raises TrafficError.

    Only what is ready gets traffic; what has it already (`before`) keeps it while it is changed.
    """
    there = {one["name"].lower(): one for one in deployments}
    shares = _shares(asked)
    if sum(shares.values()) not in (0, 100):
        raise TrafficError(f"The sum of the traffic percentages must be either 0 or 100; it is {sum(shares.values())}.")
    chosen = {}
    for name, share in shares.items():
        deployment = there.get(name.lower())
        if deployment is None:
            raise TrafficError(
                f"Traffic cannot be given to the deployment '{name}', which does not exist in the endpoint."
            )
        state = deployment["properties"]["provisioningState"]
        if share and state != "Succeeded" and share != before.get(deployment["name"]):
            raise TrafficError(
                f"Traffic cannot be given to the deployment '{name}' because it is in {state} provisioning state."
            )
        chosen[deployment["name"]] = share
    return chosen


def check_mirror(asked: Any, deployments: Sequence[Body]) -> dict[str, int]:
    """Kept, and not carried out: the sandbox copies no requests. Raises TrafficError."""
    there = {one["name"].lower() for one in deployments}
    shares = _shares(asked)
    if len(shares) > 1 or sum(shares.values()) > MIRROR_LIMIT or any(name.lower() not in there for name in shares):
        raise TrafficError(
            f"Mirror traffic can go to one existing deployment of the endpoint, at most {MIRROR_LIMIT} per cent."
        )
    return shares


def _shares(asked: Any) -> dict[str, int]:
    if not isinstance(asked, dict):
        raise TrafficError("The traffic must be an object: percentages by deployment.")
    for name, share in asked.items():
        if not isinstance(share, int) or isinstance(share, bool) or not 0 <= share <= 100:
            raise TrafficError(f"The traffic of '{name}' must be a whole number from 0 to 100, not {share!r}.")
    return asked
