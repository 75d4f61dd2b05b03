"""Which test runs on which worker of pytest-xdist: those of one `xdist_group` on the same, whatever pytest's version.

`--dist loadgroup` writes the group into the id of a test, which pytest does not let it do from 9.2 on. Without groups
each worker starts a practice cloud of its own for every module, and stories that build on each other are torn apart.
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest
from xdist.scheduler.loadscope import LoadScopeScheduling

GROUP = re.compile(r"""xdist_group\(["']([^"']+)["']\)""")


LONG = (
    "tests/journeys/test_delivery.py",
    "tests/journeys/test_pipelines.py",
    "tests/journeys/",
    "tests/tui/test_storms.py",
    "tests/tui/test_web.py",
)


class Grouped(LoadScopeScheduling):  # type: ignore[misc]  # it ships no type information
    """Groups in the order in which they stand; a test without a group goes wherever there is room."""

    def __init__(self, config: pytest.Config, log: object) -> None:
        config.option.loadscopereorder = False  # by their number of tests: the longest group has few
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        return _scope_of(nodeid)


def longest_first(tests: Iterable[pytest.Item]) -> list[pytest.Item]:
    """What takes minutes first, then the groups by their size: else one worker ends long after the others."""
    listed = list(tests)
    sizes = Counter(_scope_of(test.nodeid) for test in listed)
    ranks: dict[str, int] = {}
    for test in listed:
        scope = _scope_of(test.nodeid)
        ranks[scope] = min(_rank(test.nodeid), ranks.get(scope, len(LONG)))

    def place(test: pytest.Item) -> tuple[int, int, str]:
        scope = _scope_of(test.nodeid)
        return ranks[scope], -sizes[scope], scope if sizes[scope] > 1 else ""

    return sorted(listed, key=place)


def _rank(nodeid: str) -> int:
    return next((number for number, start in enumerate(LONG) if nodeid.startswith(start)), len(LONG))


def _scope_of(nodeid: str) -> str:
    return _group_of(nodeid.partition("::")[0]) or nodeid


@functools.cache
def _group_of(module: str) -> str:
    """The group that a module names for all its tests; empty where it names none."""
    found = GROUP.search(Path(module).read_text(encoding="utf-8"))
    return found.group(1) if found else ""
