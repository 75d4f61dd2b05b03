"""What a sandbox has written down for its owner, and for the learner's hosts of Git and CI."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

OWNER = ("tenant_id", "client_id", "client_secret", "subscription_id")


def written(folder: Path) -> dict[str, str]:
    """All of it."""
    kept: dict[str, str] = json.loads((folder / "credentials.json").read_text())
    return kept


def of_owner(folder: Path) -> dict[str, Any]:
    """By which the owner signs in: fields of a `Project`."""
    kept = written(folder)
    return {name: kept[name] for name in OWNER}
