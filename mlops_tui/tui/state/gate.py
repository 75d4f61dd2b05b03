"""The gate in words ("rmse < 0.8"), taken apart to be drawn. Whether it is passed, the engine says."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

LARGEST = 1e100  # greater ones cannot be drawn to scale


@dataclass(frozen=True)
class Gate:
    metric: str
    limit: float
    higher: bool  # is better

    def best(self, values: Iterable[float]) -> float | None:
        numbers = [value for value in values if not math.isnan(value)]
        return (max if self.higher else min)(numbers) if numbers else None


def gate_of(text: str) -> Gate | None:
    """None where it is not of that form."""
    parts = text.split()
    if len(parts) != 3 or parts[1][:1] not in "<>":
        return None
    try:
        limit = float(parts[2])
    except ValueError:
        return None
    return Gate(parts[0], limit, parts[1].startswith(">")) if drawable(limit) else None


def drawable(*values: float) -> bool:
    return all(math.isfinite(value) and abs(value) < LARGEST for value in values)
