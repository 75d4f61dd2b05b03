"""Sizes of virtual machines by their names: how many vCPUs, and of which family's quota."""

from __future__ import annotations

import re
from dataclasses import dataclass

DSV2 = {1: 1, 2: 2, 3: 4, 4: 8, 5: 16}  # Standard_DS3_v2 has four vCPUs; later names say how many they have
NAMES = (
    (re.compile(r"Standard_B(\d+)(?:s|ms)", re.IGNORECASE), "standardBSFamily"),
    (re.compile(r"Standard_DS(\d)_v2", re.IGNORECASE), "standardDSv2Family"),
    (re.compile(r"Standard_D(\d+)s_v([345])", re.IGNORECASE), "standardDSv{version}Family"),
    (re.compile(r"Standard_D(\d+)ds_v5", re.IGNORECASE), "standardDDSv5Family"),
    (re.compile(r"Standard_E(\d+)s_v3", re.IGNORECASE), "standardESv3Family"),
    (re.compile(r"Standard_F(\d+)s_v2", re.IGNORECASE), "standardFSv2Family"),
    (re.compile(r"Standard_NC(\d+)as_T4_v3", re.IGNORECASE), "standardNCASv3T4Family"),
)


@dataclass(frozen=True)
class VmSize:
    name: str
    cores: int
    family: str  # a key of regions.FAMILIES


def vm_size(name: str) -> VmSize | None:
    """None for a size that the sandbox's regions do not have."""
    for pattern, family in NAMES:
        if found := pattern.fullmatch(name):
            number, *version = (int(part) for part in found.groups())
            cores = DSV2.get(number, 0) if family == "standardDSv2Family" else number
            return VmSize(name, cores, family.format(version=version[0] if version else "")) if cores else None
    return None
