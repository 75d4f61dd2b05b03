"""The settings as people read them: what counts now, and what there is."""

from __future__ import annotations

from mlops_tui.settings.resolution import Resolved
from mlops_tui.settings.table import SETTINGS, Setting, Value

HIDDEN = "(hidden)"


def config_rows(resolved: Resolved) -> list[tuple[str, str, str]]:
    """Key, value and source of each setting; a secret that is given shows as "(hidden)"."""
    return [
        (entry.key, HIDDEN if entry.secret and entry.value else plain(entry.value), entry.source)
        for entry in resolved.entries.values()
    ]


def settings_table() -> str:
    """The README's table of settings, in Markdown."""
    lines = ["| In mlops.toml | Flag | Variables | Default | Meaning |", "| --- | --- | --- | --- | --- |"]
    lines += [" | ".join(["", *_cells(setting), ""]).strip() for setting in SETTINGS]
    return "\n".join(lines) + "\n"


def _cells(setting: Setting) -> tuple[str, ...]:
    meaning = setting.help
    if setting.choices:
        meaning += f": {', '.join(_code(choice) for choice in setting.choices)}"
    return (
        "(a secret: never in a file)" if setting.secret else _code(setting.key),
        _code(setting.flag),
        ", ".join(_code(variable) for variable in setting.variables),
        _code(plain(setting.default)),
        meaning,
    )


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def plain(value: Value) -> str:
    """As people write it, and exactly: reading it again gives the same value."""
    short = f"{value:g}" if isinstance(value, float) else ""
    return short if short and float(short) == value else str(value)
