"""Which test runs on which worker of pytest-xdist: those of one `xdist_group` on the same, whatever pytest's version.

`--dist loadgroup` writes the group into the id of a test, which pytest does not let it do from 9.2 on. Without groups
each worker starts a practice cloud of its own for every module, and stories that build on each other are torn apart.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path

from xdist.scheduler.loadscope import LoadScopeScheduling

GROUP = re.compile(r"""xdist_group\(["']([^"']+)["']\)""")


class Grouped(LoadScopeScheduling):  # type: ignore[misc]  # it ships no type information
    """The largest groups first; a test without a group goes wherever there is room."""

    def _split_scope(self, nodeid: str) -> str:
        return _group_of(nodeid.partition("::")[0]) or nodeid


@functools.cache
def _group_of(module: str) -> str:
    """The group that a module names for all its tests; empty where it names none."""
    found = GROUP.search(Path(module).read_text(encoding="utf-8"))
    return found.group(1) if found else ""
