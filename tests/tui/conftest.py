"""What all stories of the terminal app share."""

from __future__ import annotations

from typing import Any

import pytest
from textual.css.stylesheet import Stylesheet

PARSED: dict[Any, Any] = {}


@pytest.fixture(autouse=True)
def _styles_are_parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test starts an app, and every app parses the styles of all its widgets: a sixth of the time."""
    parse = Stylesheet._parse_rules

    def parse_once(sheet: Stylesheet, css: str, *where: Any, **facts: Any) -> Any:
        key = (css, where, *facts.items(), frozenset(sheet._variables.items()))
        if key not in PARSED:
            PARSED[key] = parse(sheet, css, *where, **facts)
        return PARSED[key]

    monkeypatch.setattr(Stylesheet, "_parse_rules", parse_once)
