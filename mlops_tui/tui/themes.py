"""Three themes. Widgets name variables ($success, $text-muted), never colours."""

from __future__ import annotations

from textual.theme import Theme

THEMES = (
    Theme(
        name="dusk",
        primary="#5fa8ff",
        secondary="#8f9fff",
        accent="#ffb454",
        warning="#ffb454",
        error="#ff6b6b",
        success="#5fd38d",
        foreground="#e6e8ee",
        background="#12141a",
        surface="#191c24",
        panel="#232733",
        dark=True,
    ),
    Theme(
        name="paper",
        primary="#0b5cad",
        secondary="#4a4fb0",
        accent="#8a5200",
        warning="#8a5200",
        error="#b3261e",
        success="#176b3a",
        foreground="#1c1f26",
        background="#faf9f6",
        surface="#f1efe9",
        panel="#e4e1d8",
        dark=False,
    ),
    Theme(
        name="high contrast",
        primary="#ffff00",
        secondary="#00ffff",
        accent="#ffff00",
        warning="#ffd700",
        error="#ff8080",
        success="#80ff80",
        foreground="#ffffff",
        background="#000000",
        surface="#000000",
        panel="#1a1a1a",
        dark=True,
    ),
)
