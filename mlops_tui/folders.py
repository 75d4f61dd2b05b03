"""Where this program keeps its own things on this machine. To ask makes nothing; `made` does."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mlops_tui.errors import UsageError

VARIABLE = "MLOPS_TUI_HOME"


def data_folder(environment: Mapping[str, str]) -> Path:
    """$MLOPS_TUI_HOME, else the system's place for a user's data."""
    chosen = environment.get(VARIABLE, "").strip()
    if chosen:
        return Path(chosen).expanduser().absolute()
    import platformdirs

    return platformdirs.user_data_path("mlops-tui", appauthor=False)


def sandbox_folder(environment: Mapping[str, str]) -> Path:
    """The practice cloud's state."""
    return data_folder(environment) / "sandbox"


def journal_folder(environment: Mapping[str, str]) -> Path:
    """What was done, a file a command."""
    return data_folder(environment) / "journal"


def made(folder: Path) -> Path:
    """One of the above, there from now on, for its owner's eyes alone. Raises UsageError where it cannot be made."""
    try:
        for each in (folder.parent, folder):  # a parent that is made on the way would get the usual mode
            each.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise UsageError(
            f"The folder {folder} cannot be made: {error.strerror}.", hint=f"Set {VARIABLE} to a folder of your own."
        ) from error
    return folder
