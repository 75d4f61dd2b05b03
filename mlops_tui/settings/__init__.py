"""Where each value comes from: default < project file < sandbox < environment < flags; each value knows its source.

`SETTINGS` is the one table; the file's keys, the variables, the flags and the README's table are read from it.
Imports nothing of ours outside this package, reads no file, and is light: every command needs it.
"""

from mlops_tui.settings.environment import AMBIENT_VARIABLES, given_text
from mlops_tui.settings.presentation import config_rows, plain, settings_table
from mlops_tui.settings.resolution import Entry, FileValue, Problem, Resolved, checked, problem_of, resolve
from mlops_tui.settings.table import BY_NAME, SETTINGS, Setting, Value

__all__ = [
    "AMBIENT_VARIABLES",
    "BY_NAME",
    "SETTINGS",
    "Entry",
    "FileValue",
    "Problem",
    "Resolved",
    "Setting",
    "Value",
    "checked",
    "config_rows",
    "given_text",
    "plain",
    "problem_of",
    "resolve",
    "settings_table",
]
