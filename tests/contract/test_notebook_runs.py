"""Notebooks run on a sandbox cluster as they do on Databricks: they take parameters, print, return values and fail."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from tests.contract.notebook_desk import (
    CELL,
    Desk,
    wait_for,
    warm_desk,
)

# The first test of a process warms the cluster, which takes its time on a busy machine.
pytestmark = [pytest.mark.xdist_group("notebooks"), pytest.mark.timeout(240)]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return warm_desk(tmp_path)


def test_a_notebook_reads_its_parameters_and_returns_a_value(desk: Desk) -> None:
    outcome, output = desk.run(
        """
        dbutils.widgets.text("alpha", "0.5")
        dbutils.widgets.dropdown("kind", "red", ["red", "white"])
        print(dbutils.widgets.get("alpha"), getArgument("kind"), dbutils.widgets.get("only_given"))
        print(sorted(dbutils.widgets.getAll()))

        # COMMAND ----------
        # MAGIC %md ## The end
        # COMMAND ----------
        dbutils.notebook.exit({"rmse": 0.7})
        print("never")
        """,
        {"alpha": "0.1", "only_given": "yes"},
    )
    assert outcome.state == "SUCCESS"
    assert outcome.result == "{'rmse': 0.7}"
    assert outcome.seconds > 0
    assert output.splitlines() == [
        "0.1 red yes",
        "['alpha', 'kind', 'only_given']",
        "Notebook exited: {'rmse': 0.7}",
    ]


def test_what_a_notebook_speaks_of_is_imported_before_it_begins(desk: Desk) -> None:
    """In the cluster's process, once for all runs: each would wait a second for it."""
    outcome, _ = desk.run(
        """
        import sys
        dbutils.notebook.exit(str("azure.ai.ml" in sys.modules))
        """
    )
    assert outcome.result == "True"


def test_an_unknown_widget_is_an_error_as_on_the_platform(desk: Desk) -> None:
    outcome, _ = desk.run('dbutils.widgets.get("beta")')
    assert outcome.state == "FAILED"
    assert outcome.error == "InputWidgetNotDefined: No input widget named beta is defined"


def test_exit_inside_except_exception_is_swallowed_as_on_the_platform(desk: Desk) -> None:
    outcome, output = desk.run(
        """
        try:
            dbutils.notebook.exit("early")
        except Exception as error:
            print("caught", type(error).__name__)
        dbutils.notebook.exit("late")
        """
    )
    assert outcome.result == "late"
    assert "caught NotebookExit" in output


def test_a_result_of_more_than_5_mb_is_refused(desk: Desk) -> None:
    outcome, _ = desk.run('dbutils.notebook.exit("x" * (5 * 1024 * 1024 + 1))')
    assert outcome.state == "FAILED"
    assert outcome.error is not None
    assert "larger than 5 MB" in outcome.error
    outcome, _ = desk.run('dbutils.notebook.exit("x" * (5 * 1024 * 1024))')
    assert outcome.result is not None
    assert len(outcome.result) == 5 * 1024 * 1024


def test_a_failure_shows_the_notebooks_own_lines_and_cells(desk: Desk) -> None:
    desk.write("def check(value):\n    raise KeyError(value)\n", "checks_module")
    source = """
        print("first")

        # COMMAND ----------
        import checks_module

        def train():
            try:
                checks_module.check("quality")
            except KeyError as error:
                raise ValueError("no such column") from error

        # COMMAND ----------
        train()

        # COMMAND ----------
        print("never")
        """
    outcome, output = desk.run(source)
    lines = ("# Databricks notebook source\n" + textwrap.dedent(source)).splitlines()
    raised, called = lines.index('        raise ValueError("no such column") from error'), lines.index("train()")
    assert outcome.state == "FAILED"
    assert outcome.error == "ValueError: no such column"
    assert outcome.trace is not None
    assert f"line {called + 1}, cell 3, in <module>\n    train()" in outcome.trace
    assert f'line {raised + 1}, cell 2, in train\n    raise ValueError("no such column") from error' in outcome.trace
    assert "checks_module.py" in outcome.trace
    assert 'File "/Workspace/Users/learner@sandbox.example/notebook-' in outcome.trace
    assert "mlops_tui" not in outcome.trace
    assert outcome.trace in output
    assert "never" not in output


def test_a_syntax_error_fails_its_cell_only(desk: Desk) -> None:
    outcome, output = desk.run(f"print('runs')\n{CELL}\nif True\n    pass\n")
    assert "runs" in output
    assert outcome.trace is not None
    assert "line 6, cell 2" in outcome.trace
    assert "SyntaxError: expected ':'" in outcome.trace
    assert "mlops_tui" not in outcome.trace


def test_sys_exit_fails_the_run_as_on_the_platform(desk: Desk) -> None:
    outcome, _ = desk.run("import sys; sys.exit(0)")
    assert (outcome.state, outcome.error) == ("FAILED", "SystemExit: 0")


def test_secrets_are_never_printed(desk: Desk) -> None:
    outcome, output = desk.run(
        """
        import sys, os, time
        secret = "dapi-very" + "-secret"
        print(secret)
        sys.stdout.write("dapi-very"); sys.stdout.flush(); time.sleep(0.3); sys.stdout.write("-secret\\n")
        os.write(1, b"raw dapi-very"); os.write(2, b"-secret")
        # COMMAND ----------
        # MAGIC %sh echo shell dapi-very-secret
        # COMMAND ----------
        raise RuntimeError(f"401 for {secret}")
        """,
        secrets=("dapi-very-secret", ""),
    )
    everything = output + repr(outcome)
    assert "secret" not in everything.replace('secret = "dapi-very" + "-secret"', "").replace("{secret}", "")
    assert output.startswith("[REDACTED]\n[REDACTED]\nraw [REDACTED]")
    assert "shell [REDACTED]\n" in output
    assert outcome.error == "RuntimeError: 401 for [REDACTED]"


def test_output_comes_while_the_notebook_runs(desk: Desk) -> None:
    started = desk.start("import time\nprint('epoch 1')\nprint('half', end='', flush=True)\ntime.sleep(20)")
    wait_for(lambda: started.output.exists() and started.output.read_text() == "epoch 1\nhalf")
    desk.cluster.cancel(started.run_id)
    assert started.end()[0].state == "CANCELED"


def test_a_million_lines_neither_hang_nor_get_lost(desk: Desk) -> None:
    started = desk.start("for number in range(1_000_000):\n    print('line', number)", secrets=("not there",))
    outcome, output = started.end(60)
    assert outcome.state == "SUCCESS"
    assert output.count("\n") == 1_000_000
    assert output.endswith("line 999999\n")


def test_output_beyond_the_limit_is_cut_and_the_run_goes_on(desk: Desk) -> None:
    outcome, output = desk.run(
        "for _ in range(10_000):\n    print('x' * 99)\ndbutils.notebook.exit('done')", output_limit=50_000
    )
    assert outcome.result == "done"
    assert output.endswith("*** WARNING: max output size exceeded, skipping output. ***\n")
    assert 50_000 < len(output) < 51_000


def test_what_is_not_in_the_sandbox_says_so(desk: Desk) -> None:
    outcome, _ = desk.run("spark.read.table('wine')")
    assert outcome.error is not None
    assert outcome.error.startswith("SparkNotHereError: spark.read: Spark is not in the sandbox.")
    outcome, _ = desk.run("# MAGIC %sql SELECT 1")
    assert outcome.error == "CommandError: %sql (cell 1) needs Spark, which is not in the sandbox."
    outcome, _ = desk.run("# MAGIC %sh -e\n# MAGIC false\n# MAGIC echo never")
    assert outcome.error == "CommandError: The shell command failed with exit code 1"


def test_values_are_shown_as_a_notebook_shows_them(desk: Desk) -> None:
    _, output = desk.run(
        """
        import pandas as pd
        display(pd.DataFrame({"rmse": [0.7]}))
        displayHTML("<h1>Wine</h1><style>h1 {}</style>")
        # COMMAND ----------
        40 + 2
        # COMMAND ----------
        "hidden";
        """
    )
    assert output.splitlines() == ["   rmse", "0   0.7", "Wine", "42"]
