"""How many vCPUs a cluster takes and of which quota, by Azure's naming of virtual machine sizes.

learn.microsoft.com/azure/virtual-machines/vm-naming-conventions: family, vCPUs, features, version. The sizes before
that convention (Standard_DS3_v2) number their steps instead.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
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


def verdict(spec: ClusterSpec, location: str, usages: Mapping[str, Usage]) -> str:
    """One line: does the cluster fit? A warning says so by its first word."""
    each = vcpus(spec.node_type)
    if each is None:
        return f"not checked: {spec.node_type} does not say how many vCPUs it has"
    least, most = each * (1 + spec.min_workers), each * (1 + spec.max_workers)
    relevant = {name: usages[name] for name in ("cores", family(spec.node_type)) if name in usages}
    if not relevant:
        return f"not checked: {location} lists no quota for {spec.node_type}"
    name, tightest = min(relevant.items(), key=lambda item: item[1].free)
    fit = f"{tightest.free} of {tightest.limit} vCPUs free ({name} in {location})"
    if tightest.free < least:
        return f"warning: the cluster needs at least {least} vCPUs, and only {fit}; ask for more under Quotas"
    if tightest.free < most:
        return f"warning: the cluster may grow to {most} vCPUs, and only {fit}"
    return f"{fit}, the cluster takes {least} to {most}"
