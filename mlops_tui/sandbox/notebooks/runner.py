"""One notebook, cell by cell, in this process."""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlops_tui.sandbox.notebooks.channel import Channel
from mlops_tui.sandbox.notebooks.dbutils import DbUtils, Notebook, NotebookExit, RestartPython, TaskValues
from mlops_tui.sandbox.notebooks.display import SparkNotHere, display, display_html
from mlops_tui.sandbox.notebooks.paths import Paths
from mlops_tui.sandbox.notebooks.requirements import Pip
from mlops_tui.sandbox.notebooks.run import NotebookRun
from mlops_tui.sandbox.notebooks.source import Cell, parse
from mlops_tui.sandbox.notebooks.tracebacks import Tracebacks, one_line
from mlops_tui.sandbox.notebooks.widgets import Widgets

_TEXT = ("md", "md-sandbox")
_NOT_NEEDED = ("matplotlib", "load_ext", "autoreload", "config")  # of IPython; nothing depends on them here
_NEEDS_SPARK = ("sql", "scala", "r")
_ARGUMENT = re.compile(r'\$(\w+)\s*=\s*("[^"]*"|\S+)')


class CommandError(Exception):
    """A magic cell failed, or is none that the sandbox knows."""


class NotebookNotFoundError(CommandError):
    """%run or dbutils.notebook.run names a notebook that is not there; the platform's words."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"Notebook not found: {path}. Notebooks can be specified via a relative path (./Notebook or"
            " ../folder/Notebook) or via an absolute path (/Abs/Path/to/Notebook). Make sure you are specifying the"
            " path correctly."
        )


class Runner:
    """Executes the cells of one run's notebook and tells the outcome over the channel."""

    def __init__(self, run: NotebookRun, channel: Channel, pip: Pip, widgets: Widgets) -> None:
        self._run = run
        self._channel = channel
        self._pip = pip
        self._paths = Paths(run.root)
        self._tracebacks = Tracebacks()
        self._cell = 0  # of the run's own notebook
        self._here = run.notebook  # the notebook whose cell is executed: %run is relative to it
        self.namespace = self._namespace(widgets)

    def _namespace(self, widgets: Widgets) -> dict[str, Any]:
        path = self._paths.logical(self._run.notebook)
        notebook = Notebook(self._run, self._channel, self.find, path)
        dbutils = DbUtils(widgets, notebook, TaskValues(self._run.task_values, self._channel), self._channel)
        main = types.ModuleType("__main__")  # where pickle looks for the notebook's classes
        sys.modules["__main__"] = main
        namespace = main.__dict__
        namespace |= {"dbutils": dbutils, "getArgument": widgets.getArgument}
        namespace |= {"display": display, "displayHTML": display_html}
        namespace |= {name: SparkNotHere(name) for name in ("spark", "sc", "sqlContext", "sql", "table", "udf")}
        return namespace

    def execute(self, first_cell: int = 0) -> None:
        """Run it to its end and tell. Cells numbered below `first_cell` were run before a restart of Python."""
        try:
            self._notebook(self._run.notebook, first_cell)
        except NotebookExit as reached:
            print(f"Notebook exited: {reached}", flush=True)  # noqa: T201 (a notebook's output)
            self._channel.tell(op="end", state="SUCCESS", result=str(reached))
        except RestartPython:
            widgets = self.namespace["dbutils"].widgets.defined
            fresh = self._pip.folder.exists()
            self._channel.tell(op="restart", cell=self._cell + 1, widgets=widgets, fresh=fresh)
        except BaseException as error:  # noqa: BLE001 (whatever the notebook raises, also SystemExit)
            trace = self._tracebacks.format(error)
            sys.stdout.flush()
            print(trace, file=sys.stderr, flush=True)  # noqa: T201 (a notebook's output)
            self._channel.tell(op="end", state="FAILED", error=one_line(error), trace=trace)
        else:
            self._channel.tell(op="end", state="SUCCESS", result=None)

    def find(self, path: str) -> Path:
        """The notebook that a path in the current one means. Raises NotebookNotFoundError."""
        if path.startswith("/"):
            wanted = Path(self._run.root, "Workspace", path.removeprefix("/Workspace").lstrip("/"))
        else:
            wanted = Path(os.path.normpath(self._here.parent / path))
        for candidate in (wanted, wanted.with_name(wanted.name + ".py")):
            if candidate.is_file():
                return candidate
        raise NotebookNotFoundError(path)

    def _notebook(self, path: Path, first_cell: int = 0) -> None:
        name = self._paths.logical(path)
        text = path.read_text(encoding="utf-8")
        cells = parse(text)
        self._tracebacks.know(name, text, cells)
        caller, self._here = self._here, path
        for cell in cells:
            if cell.number < first_cell:
                continue
            if path == self._run.notebook:
                self._cell = cell.number
            self._execute_cell(cell, name)
        self._here = caller

    def _execute_cell(self, cell: Cell, name: str) -> None:
        magics: dict[str, Callable[[str], None]] = {
            "pip": self._pip_lines,
            "sh": self._shell,
            "fs": self._fs,
            "run": self._run_magic,
        }
        if cell.language == "python":
            self._python(cell, name)
        elif cell.language in magics:
            sys.stdout.flush()
            magics[cell.language](cell.source)
        elif cell.language == "restart_python":
            raise RestartPython
        elif cell.language in _NEEDS_SPARK:
            raise CommandError(f"%{cell.language} (cell {cell.number}) needs Spark, which is not in the sandbox.")
        elif cell.language not in (*_TEXT, *_NOT_NEEDED):
            raise CommandError(f"%{cell.language} (cell {cell.number}) is not a magic command that the sandbox knows.")

    def _python(self, cell: Cell, name: str) -> None:
        # The empty lines make Python count as the file does.
        source = "\n" * (cell.line - 1) + cell.source
        tree: Any = compile(source, name, "exec", ast.PyCF_ONLY_AST, dont_inherit=True)
        last = tree.body[-1] if tree.body and not cell.source.rstrip().endswith(";") else None
        shown = ast.Expression(last.value) if isinstance(last, ast.Expr) else None
        if shown:
            tree.body.pop()
        exec(compile(tree, name, "exec", dont_inherit=True), self.namespace)  # noqa: S102 (what it is for)
        if shown:
            value = eval(compile(shown, name, "eval", dont_inherit=True), self.namespace)  # noqa: S307 (as above)
            if value is not None:
                print(repr(value))  # noqa: T201 (a notebook shows the last value of a cell)

    def _pip_lines(self, source: str) -> None:
        for line in source.splitlines():
            command = line.strip().removeprefix("%pip").strip()
            if command and not command.startswith("#"):
                self._pip.run(command)

    def _shell(self, source: str) -> None:
        """As there, a failing command fails the cell only under `%sh -e`."""
        first, _, rest = source.partition("\n")
        strict = first.split()[:1] == ["-e"]
        script = rest if strict else source
        done = subprocess.run(["bash", *(["-e"] if strict else []), "-c", self._paths.in_shell(script)], check=False)
        if strict and done.returncode:
            raise CommandError(f"The shell command failed with exit code {done.returncode}")

    def _fs(self, source: str) -> None:
        command, *arguments = shlex.split(source) or ["help"]
        if command not in ("ls", "head", "mkdirs", "rm", "cp", "mv", "put"):
            raise CommandError(f"%fs {command}: the sandbox knows %fs ls, head, mkdirs, rm, cp, mv and put")
        result = getattr(self.namespace["dbutils"].fs, command)(*arguments)
        for line in result if isinstance(result, list) else [result]:
            print(line)  # noqa: T201 (a notebook's output)

    def _run_magic(self, source: str) -> None:
        """%run ./other $name="value": its cells, in this namespace."""
        words = shlex.split(_ARGUMENT.sub("", source))
        if len(words) != 1:
            raise CommandError("%run takes the path of one notebook")
        widgets = self.namespace["dbutils"].widgets
        widgets.parameters |= {name: value.strip('"') for name, value in _ARGUMENT.findall(source)}
        self._notebook(self.find(words[0]))
