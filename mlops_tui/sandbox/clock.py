"""Moments as the services write them."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> str:
    """2026-11-21T12:00:00.123456Z"""
    return text(datetime.now(UTC))


def text(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"


def parse(written: str) -> datetime:
    """Of any ISO 8601 text; one without a zone is UTC. Raises ValueError."""
    moment = datetime.fromisoformat(written)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
