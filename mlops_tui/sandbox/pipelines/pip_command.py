"""python -m mlops_tui.sandbox.pipelines.pip_command …: what `pip` is to the steps of a pipeline.

`pip install` checks that the sandbox's own Python environment has what is asked for, as `RUN pip install` does in an
image's build, and fetches nothing. What only looks is pip's own.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from mlops_tui.sandbox import pip_step
from mlops_tui.sandbox.pip_step import PipFailedError

LOOKING = ("list", "freeze", "show", "check", "debug", "help", "inspect", "--version", "-V", "--help", "-h")


def main() -> None:
    arguments = sys.argv[1:]
    if not arguments or arguments[0] in LOOKING:
        os.execv(sys.executable, [sys.executable, "-m", "pip", *arguments])  # noqa: S606 (this process is it)
    try:
        pip_step.install(arguments, Path("/"), Path.cwd(), _say)
    except PipFailedError as error:
        print(error, file=sys.stderr)  # noqa: T201 (pip's own way)
        sys.exit(1)
    _say("Nothing was installed: the practice cloud's machines have what its own Python environment has.")


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 (a step's log)


if __name__ == "__main__":
    main()
