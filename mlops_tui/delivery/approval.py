"""Who says yes to what costs or what everybody sees."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mlops_tui.events import ApprovalAsked


@dataclass(frozen=True)
class Approval:
    """Somebody said yes; `force`: why against the verdict, where it was."""

    by: str
    force: str = ""


Ask = Callable[[ApprovalAsked], Approval | None]
