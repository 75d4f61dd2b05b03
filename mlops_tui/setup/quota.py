"""How many vCPUs a cluster takes and of which quota, by Azure's naming of virtual machine sizes.

learn.microsoft.com/azure/virtual-machines/vm-naming-conventions: family, vCPUs, features, version. The sizes before
that convention (Standard_DS3_v2) number their steps instead.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from mlops_tui.project import ClusterSpec

_SIZE = re.compile(r"(?:Standard_)?([A-Z]+)(\d+)(?:-\d+)?([a-z]*)(?:_(v\d+))?$")
_STEPS = {1: 1, 2: 2, 3: 4, 4: 8, 5: 16, 11: 2, 12: 4, 13: 8, 14: 16, 15: 20}  # vCPUs of D1 … DS15
_STEPPED = {("D", ""), ("DS", ""), ("D", "v2"), ("DS", "v2")}


class Usage(Protocol):
    @property
    def used(self) -> int: ...

    @property
    def limit(self) -> int: ...

    @property
    def free(self) -> int: ...


@dataclass(frozen=True)
class Verdict:
    """Does the cluster fit?"""

    detail: str  # what is free
    warning: str = ""  # where it does not fit, or may not when it grows


def vcpus(node_type: str) -> int | None:
    """Of one machine; None for a name that does not follow the rules."""
    match = _SIZE.match(node_type)
    if not match:
        return None
    series, number, _, version = match.groups()
    if (series, version or "") in _STEPPED:
        return _STEPS.get(int(number))
    return int(number)


def family(node_type: str) -> str:
    """The quota's name in lower case ("standarddsv2family"), as the compute usages list it."""
    match = _SIZE.match(node_type)
    if not match:
        return ""
    series, _, features, version = match.groups()
    return f"standard{series}{features}{version or ''}family".lower()


def verdict(spec: ClusterSpec, location: str, usages: Mapping[str, Usage]) -> Verdict:
    """By the quota that leaves least: of the region as a whole, or of the machines' family."""
    each = vcpus(spec.node_type)
    if each is None:
        return Verdict(f"not checked: {spec.node_type} does not say how many vCPUs it has")
    least, most = each * (1 + spec.min_workers), each * (1 + spec.max_workers)
    relevant = {name: usages[name] for name in ("cores", family(spec.node_type)) if name in usages}
    if not relevant:
        return Verdict(f"not checked: {location} lists no quota for {spec.node_type}")
    name, tightest = min(relevant.items(), key=lambda item: item[1].free)
    fit = f"{tightest.free} of {tightest.limit} vCPUs free ({name} in {location})"
    only = f"and only {tightest.free} are free"
    if tightest.free < least:
        ways = "ask for more in the portal (Quotas), or choose smaller machines or another region"
        return Verdict(fit, f"the cluster needs {least} vCPUs to start, {only}: {ways}")
    if tightest.free < most:
        return Verdict(fit, f"the cluster may grow to {most} vCPUs, {only}: it will stay smaller")
    return Verdict(f"{fit}, the cluster takes {least} to {most}")
