"""make screenshots: screenshots/*.svg from a real session in a practice cloud of its own."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pexpect
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

FOLDER = Path(__file__).parent.parent / "screenshots"
MLOPS_TUI = str(Path(sys.executable).with_name("mlops-tui"))
COLUMNS, ROWS = 124, 40
# Drawn with whatever monospace font the reader has, not with one fetched from elsewhere.
SVG_FORMAT = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="mlops-tui-screenshots-") as folder:
        own = ("ARM_", "AZURE_", "DATABRICKS_", "MLOPS_TUI_", "MLFLOW_")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(own)}
        environment |= {"MLOPS_TUI_HOME": folder, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        try:
            told = session(["up", "--non-interactive"], environment, folder)
        finally:
            subprocess.run([MLOPS_TUI, "sandbox", "stop"], env=environment, check=True, capture_output=True)
    lines = told.split("\n")
    plan_ends = next(number for number, line in enumerate(lines) if "changes to make" in line) + 1
    save("plan", "mlops-tui setup --plan", lines[:plan_ends])
    save("training", "mlops-tui train", lines[next(n for n, line in enumerate(lines) if "job run │" in plain(line)) :])


def session(arguments: list[str], environment: dict[str, str], folder: str) -> str:
    """What the command prints on a terminal, colours and all."""
    child = pexpect.spawn(
        MLOPS_TUI, arguments, env=environment, cwd=folder, dimensions=(ROWS, COLUMNS), timeout=120, encoding="utf-8"
    )
    child.expect(pexpect.EOF)
    child.close()
    if child.exitstatus:
        raise SystemExit(f"mlops-tui {' '.join(arguments)} ended with {child.exitstatus}\n{child.before}")
    return str(child.before).replace("\r\n", "\n").rstrip("\n")


def plain(line: str) -> str:
    return Text.from_ansi(line).plain


def save(name: str, title: str, lines: list[str]) -> None:
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    for line in lines:
        console.print(Text.from_ansi(line), soft_wrap=False)
    path = FOLDER / f"{name}.svg"
    path.write_text(console.export_svg(title=title, code_format=SVG_FORMAT, unique_id=name))
    print(path)


if __name__ == "__main__":
    main()
