"""What one can do with a log, with the keys for it and words for people: the palette and the help list these too."""

from __future__ import annotations

from textual.binding import Binding

LOG_KEYS = [
    Binding("slash", "search", "Find in the log", key_display="/"),
    Binding("f", "toggle_follow", "Follow or pause"),
    Binding("l", "levels", "Filter by level"),
    Binding("y", "copy", "Copy from the log"),
    Binding("s,ctrl+s", "save", "Save the log to a file"),
    Binding("colon,ctrl+g", "line", "Go to a line", key_display=":", show=False),
    Binding("n", "match", "Next match", show=False),
    Binding("N", "match(False)", "Match before", show=False),
    Binding("enter", "match", "Next match", show=False),
    Binding("escape", "end_search", "End the search", show=False),
    Binding("up", "scroll_up", "Line up", show=False),
    Binding("down", "scroll_down", "Line down", show=False),
    Binding("pageup", "page_up", "Page up", show=False),
    Binding("pagedown", "page_down", "Page down", show=False),
    Binding("home,g", "scroll_home", "First line", show=False),
    Binding("end,G", "follow_end", "Last line, and follow", show=False),
    Binding("left", "scroll_left", "Left in long lines", show=False),
    Binding("right", "scroll_right", "Right in long lines", show=False),
]
