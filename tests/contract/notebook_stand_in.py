"""Run a Databricks source notebook's cells with the least of dbutils: widgets and exit.

python notebook_stand_in.py NOTEBOOK reads a JSON list of parameter sets from its standard input, runs the notebook once
for each, and prints one JSON object a run: {"result" or "error", "output", "seconds"}.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any


class ExitedError(Exception):
    """dbutils.notebook.exit was called, with this value."""


class Widgets:
    """Parameters win over a widget's default, as on the platform."""

    def __init__(self, parameters: dict[str, str]) -> None:
        self.parameters, self.defaults = parameters, dict[str, str]()

    def text(self, name: str, default: str) -> None:
        self.defaults[name] = default

    def get(self, name: str) -> str:
        return self.parameters.get(name, self.defaults[name])


def leave(value: str) -> None:
    raise ExitedError(value)


def run(notebook: Path, parameters: dict[str, str]) -> dict[str, Any]:
    names = {"dbutils": SimpleNamespace(widgets=Widgets(parameters), notebook=SimpleNamespace(exit=leave))}
    outcome: dict[str, Any] = {}
    started = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()) as output:
        try:
            line = 0
            for cell in notebook.read_text().split("# COMMAND ----------"):
                exec(compile("\n" * line + cell, str(notebook), "exec"), names)
                line += cell.count("\n")
        except ExitedError as left:
            outcome["result"] = json.loads(str(left))
        except Exception as error:  # noqa: BLE001 (what a notebook raises is its outcome)
            outcome["error"] = f"{type(error).__name__}: {error}"
    return outcome | {"output": output.getvalue(), "seconds": time.perf_counter() - started}


if __name__ == "__main__":
    for wanted in json.load(sys.stdin):
        print(json.dumps(run(Path(sys.argv[1]), wanted)), flush=True)
