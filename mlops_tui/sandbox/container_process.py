"""python -m mlops_tui.sandbox.container_process COMMAND…: what runs in a container, as a child of the sandbox.

The image's command is Python's own work (`uvicorn serve:app`, `python serve.py`): it runs in this process, with the
sandbox's Python. The process ends with the sandbox, even when that is killed: its standard input is a pipe of which the
sandbox holds the other end.
"""

from __future__ import annotations

import os
import runpy
import shlex
import signal
import sys
import threading
from importlib.util import find_spec
from pathlib import Path

from mlops_tui.sandbox.notebooks.processes import die_with_parent

NOT_FOUND = 127  # the exit code of a command that is not there


def main() -> None:
    os.umask(0o077)
    die_with_parent()
    lifeline = os.dup(0)
    silence = os.open(os.devnull, os.O_RDONLY)
    os.dup2(silence, 0)
    os.close(silence)
    hold_on_to(lifeline)
    run(unwrap(sys.argv[1:]))


def hold_on_to(lifeline: int) -> None:
    """End this process and its group when the other end of that pipe is gone."""
    threading.Thread(target=_end_with_the_sandbox, args=(lifeline,), daemon=True).start()


def unwrap(command: list[str]) -> list[str]:
    """Without the shell of CMD's shell form: `/bin/sh -c "exec uvicorn serve:app"`."""
    if len(command) == 3 and Path(command[0]).name in ("sh", "bash") and command[1] == "-c":
        words = shlex.split(command[2])
        return words[1:] if words[:1] == ["exec"] else words
    return command


def run(command: list[str]) -> None:
    """Become that program."""
    program = Path(command[0]).name if command else ""
    if program in ("python", "python3"):
        _python(command[1:])
    elif program.isidentifier() and find_spec(program):
        sys.argv = list(command)
        runpy.run_module(program, run_name="__main__", alter_sys=True)
    else:
        what = f'exec: "{program}": executable file not found in $PATH'
        print(  # noqa: T201 (the container's log)
            f"{what}. The sandbox runs Python programs alone: python, or a module such as uvicorn.", file=sys.stderr
        )
        sys.exit(NOT_FOUND)


def _python(arguments: list[str]) -> None:
    while arguments and arguments[0] in ("-u", "-B", "-O", "-I"):
        arguments = arguments[1:]
    match arguments:
        case ["-m", module, *rest]:
            sys.argv = [module, *rest]
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        case ["-c", code, *rest]:
            sys.argv = ["-c", *rest]
            exec(compile(code, "<string>", "exec"), {"__name__": "__main__"})  # noqa: S102 (the image's command)
        case [script, *rest]:
            sys.argv = [script, *rest]
            sys.path[0] = str(Path(script).resolve().parent)
            runpy.run_path(script, run_name="__main__")
        case _:
            sys.exit(0)  # python without a program, and without a terminal, ends at once


def _end_with_the_sandbox(lifeline: int) -> None:
    while os.read(lifeline, 1024):
        pass
    os.killpg(0, signal.SIGKILL)  # this process and its children: it leads a group of its own


if __name__ == "__main__":
    main()
