"""Logs for tests: files written and looked at."""

from __future__ import annotations

from pathlib import Path

from mlops_tui.tui.logs.file import LogIndex


def write(path: Path, *lines: str, mode: str = "a") -> Path:
    with path.open(mode, encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in lines)
    return path


def scanned(path: Path) -> LogIndex:
    index = LogIndex(path)
    while index.scan():
        pass
    return index
