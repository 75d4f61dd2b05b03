"""What all stories of the terminal app share."""

from __future__ import annotations

from typing import Any

import pytest
from textual.css.stylesheet import Stylesheet

from tests.tui import idle

PARSED: dict[Any, Any] = {}


@pytest.fixture(autouse=True)
def _styles_are_parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test starts an app, and every app parses the styles of all its widgets: a sixth of the time."""
    parse = Stylesheet._parse_rules
    variables: dict[str, str] = {}  # a theme's: the same ones from sheet to sheet
    frozen: frozenset[tuple[str, str]] = frozenset()

    def parse_once(sheet: Stylesheet, css: str, *where: Any, **facts: Any) -> Any:
        nonlocal variables, frozen
        if sheet._variables is not variables:
            variables, frozen = sheet._variables, frozenset(sheet._variables.items())
        key = (css, where, *facts.items(), frozen)
        if key not in PARSED:
            PARSED[key] = parse(sheet, css, *where, **facts)
        return PARSED[key]

    monkeypatch.setattr(Stylesheet, "_parse_rules", parse_once)


@pytest.fixture(autouse=True)
def _nothing_is_waited_for_in_vain(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Idle is known at once, and what moves is there at once: a tab's line takes 0.3 s. In storms it moves."""
    for module in ("textual.pilot", "textual.app"):
        monkeypatch.setattr(f"{module}.wait_for_idle", idle.wait_for_idle)
    if not request.path.stem.startswith("test_storms"):
        monkeypatch.setattr("textual.constants.TEXTUAL_ANIMATIONS", "none")
