"""The mark on what we make: what does not bear it was there before us, and teardown leaves it alone."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlops_tui.project import Project

MAKER = "mlops-tui"


def tags(project: Project) -> dict[str, str]:
    """For Azure resources and for Databricks' clusters and jobs."""
    return {"made_by": MAKER, "project": project.name}


def is_ours(found: Mapping[str, str], project: Project) -> bool:
    """Whether this project made it."""
    return tags(project).items() <= dict(found).items()


def words(project: Project) -> tuple[str, ...]:
    """The same as plain words, for what has a list of tags: applications of the directory."""
    return (MAKER, f"project:{project.name}")


def has_words(found: Collection[str], project: Project) -> bool:
    return set(words(project)) <= set(found)
