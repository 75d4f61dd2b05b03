"""Where this program keeps its own things on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mlops_tui.errors import UsageError

VARIABLE = "MLOPS_TUI_HOME"


def data_folder(environment: Mapping[str, str]) -> Path:
    """$MLOPS_TUI_HOME, else the system's place for a user's data; made where missing, for its owner's eyes alone.

    Raises UsageError where it cannot be made.
    """
    chosen = environment.get(VARIABLE, "").strip()
    if chosen:
        return _made(Path(chosen).expanduser().absolute())
    import platformdirs

    return _made(platformdirs.user_data_path("mlops-tui", appauthor=False))


def sandbox_folder(environment: Mapping[str, str]) -> Path:
    """The practice cloud's state."""
    return _made(data_folder(environment) / "sandbox")


def journal_folder(environment: Mapping[str, str]) -> Path:
    """What was done, a file a command."""
    return _made(data_folder(environment) / "journal")


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise UsageError(
            f"The folder {folder} cannot be made: {error.strerror}.", hint=f"Set {VARIABLE} to a folder of your own."
        ) from error
    return folder
