"""mlops.toml: found, read with the line of every mistake, and written for the first time."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from mlops_tui.errors import UsageError
from mlops_tui.project_file import KNOWN, NAME, ProjectFile, find, notebook_source, read, write_template
from mlops_tui.settings import SETTINGS


def written(folder: Path, text: str) -> ProjectFile:
    path = folder / NAME
    path.write_bytes(text.encode())
    return read(path)


def problems(folder: Path, text: str) -> list[str]:
    return [str(problem) for problem in written(folder, text).problems]


def test_the_nearest_file_upward_is_found(tmp_path: Path) -> None:
    deep = tmp_path / "project" / "notebooks" / "deep"
    deep.mkdir(parents=True)
    assert find(None, deep) is None
    (tmp_path / NAME).touch()
    (tmp_path / "project" / NAME).touch()
    assert find(None, deep) == tmp_path / "project" / NAME
    assert find(tmp_path / "other.toml", deep) == tmp_path / "other.toml"
    assert find(tmp_path, deep) == tmp_path / NAME


def test_values_come_with_their_lines_in_every_way_of_writing(tmp_path: Path) -> None:
    text = """cloud = "AzureCloud" # [azure]
azure.location = "uksouth"
azure.resource_group = 'a[b]'

[databricks]
cluster = { name = "big", max_workers = 8 }

[training.gate]
threshold = 1
"""
    for one in (text, text.replace("\n", "\r\n"), "\ufeff" + text):
        file = written(tmp_path, one)
        assert not file.problems
        assert {key: (kept.value, kept.line) for key, kept in file.values.items()} == {
            "cloud": ("AzureCloud", 1),
            "azure.location": ("uksouth", 2),
            "azure.resource_group": ("a[b]", 3),
            "databricks.cluster.name": ("big", 6),
            "databricks.cluster.max_workers": (8, 6),
            "training.gate.threshold": (1, 9),
        }
        assert file.values["cloud"].source == "mlops.toml line 1"
        assert (file.runs, file.metrics) == (None, None)


def test_runs_and_metrics_are_read_both_as_sections_and_as_a_list(tmp_path: Path) -> None:
    sections = "[training]\nmetrics = ['rmse', 'r2']\n[[training.runs]]\nalpha = 1\nl1_ratio = 0.5\n"
    inline = "[training]\nmetrics = ['rmse', 'r2']\nruns = [{ l1_ratio = 0.5, alpha = 1 }]\n"
    for text in (sections, inline):
        file = written(tmp_path, text)
        assert not file.problems
        assert file.runs == ({"alpha": 1.0, "l1_ratio": 0.5},)
        assert list(file.runs[0]) == ["alpha", "l1_ratio"]
        assert file.metrics == ("rmse", "r2")
        assert file.list_sources == {"training.metrics": "mlops.toml line 2", "training.runs": "mlops.toml line 3"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("cluod = 'sandbox'", "mlops.toml:1: cluod: unknown key; did you mean cloud?"),
        ("[azure]\nressource_group = 'x'", "2: azure.ressource_group: unknown key; did you mean azure.resource_group?"),
        ("location = 'x'", "1: location: unknown key; did you mean azure.location?"),
        ("\n[databrikcs]\nhost = 'x'", "2: databrikcs: unknown section; did you mean databricks?"),
        ("[cluster]\nname = 'x'", "1: cluster: unknown section; did you mean databricks.cluster?"),
        ("zebra = 1", "1: zebra: unknown key"),
        ("azure = 3", "1: azure: is a section: write [azure] and its keys below"),
        ("[[azure]]\nlocation = 'x'", "1: azure: is a section"),
        ("training.metrics = 'rmse'", "1: training.metrics: must be a list of names"),
        ("training.metrics = ['rmse', 1]", "1: training.metrics: must be a list of names"),
        ("training.metrics = ['rmse', 'rmse']", "1: training.metrics: has a name twice"),
        ("training.runs = []", "1: training.runs: must be [[training.runs]] sections"),
        ("[training.runs]\nalpha = 1", "1: training.runs: must be [[training.runs]] sections"),
        ("[training]\nruns = [\n {alpha = -1, l1_ratio = 0},\n]", "3: training.runs 1: alpha must be 0 or more"),
        ("[[training.runs]]\nalpha = 1\nl1_ratio = 1.5", "3: training.runs 1: l1_ratio must be between 0 and 1"),
        (
            "[[training.runs]]\nalpha = 1\nl1_ratio = '1'",
            "3: training.runs 1: l1_ratio must be a number without quotes",
        ),
        ("[[training.runs]]\nalpha = true\nl1_ratio = 1", "2: training.runs 1: alpha must be a number"),
        ("[[training.runs]]\nalpha = 1", "1: training.runs 1: l1_ratio is missing"),
        (
            "[[training.runs]]\nalpha = 1\nl1_ratio = 1\nalhpa = 1",
            "4: training.runs 1: alhpa is no parameter; did you mean alpha?",
        ),
        (
            "training.runs = [{alpha=1,l1_ratio=1},\n{alpha=1.0,l1_ratio=1}]",
            "2: training.runs 2: has the same parameters as run 1",
        ),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    (problem,) = problems(tmp_path, text)
    assert said in problem


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("a = 1\ncloud = sandbox", 2, "the value is missing, or is a text without quotes"),
        ("cloud =", 1, "the value is missing"),
        ("cloud = 'a'\ncloud = 'b'", 2, "this key is given twice"),
        ("[azure]\n[azure]", 2, "this section is given twice"),
        ("cloud 'a'", 1, "an = is missing after the key"),
        ("[azure\nlocation = 'x'", 1, "a ] is missing"),
        ("cloud = 'a' 'b'", 1, "something stands after the value"),
        ("\n\ncloud = 'sandbox\nx = 'y'", 3, "a text is not closed with its quote"),
        ("\n\ncloud = 'sandbox\nx = 1", 4, "a text above is not closed with its quote"),
        ('cloud = "sandbox\nx = 1', 1, "a text is not closed with its quote"),
        ("training.metrics = ['a'\nx = 1", 2, "a list is not closed with ]"),
        ("training.metrics = ['a',", 1, "the value is missing"),
        ('x = "C:\\temp\\new\\q"', 1, "write \\\\ for a backslash"),
        ("= 1", 1, "a line must be a [section] or key = value"),
    ],
)
def test_what_is_no_toml_is_explained_in_plain_words(tmp_path: Path, text: str, line: int, said: str) -> None:
    (problem,) = problems(tmp_path, text)
    assert problem.startswith(f"mlops.toml:{line}: ")
    assert said in problem


def test_all_mistakes_come_at_once_in_the_order_of_their_lines(tmp_path: Path) -> None:
    found = problems(tmp_path, "one = 1\n[[training.runs]]\nalpha = 1\n[two]\n[azure]\nthree = 3\n")
    assert [line.split(":")[1] for line in found] == ["1", "2", "4", "6"]


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    missing = [str(problem) for problem in read(tmp_path / "none.toml").problems]
    assert missing == ["none.toml: cannot be read: No such file or directory"]
    (tmp_path / "latin.toml").write_bytes(b"a = 1\nb = 'caf\xe9'\n")
    assert str(read(tmp_path / "latin.toml").problems[0]) == "latin.toml: cannot be read: line 2 is not UTF-8 text"
    (tmp_path / "big.toml").write_bytes(b"#" * (256 * 1024 + 1))
    assert "larger than 256 KiB" in str(read(tmp_path / "big.toml").problems[0])
    (tmp_path / "deep.toml").write_text("a = " + "[" * 100_000)
    assert "cannot be read" in str(read(tmp_path / "deep.toml").problems[0])
    (tmp_path / "number.toml").write_text("a = " + "9" * 5000)
    assert len(read(tmp_path / "number.toml").problems) == 1


def test_the_first_file_explains_every_setting_that_a_file_may_hold(tmp_path: Path) -> None:
    path = write_template(tmp_path)
    assert path == tmp_path / NAME
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not read(path).problems
    uncommented = "\n".join(
        line.removeprefix("# ") if line.startswith("# ") and " = " in line else line
        for line in path.read_text().splitlines()
    )
    offered = written(tmp_path, uncommented)
    assert not offered.problems
    assert offered.prices
    keys = set(offered.values) | {"training.runs", "training.metrics", "delivery.prices"}
    assert keys == KNOWN - {setting.key for setting in SETTINGS if setting.secret}


def test_a_file_that_is_there_is_kept_unless_forced(tmp_path: Path) -> None:
    path = tmp_path / NAME
    path.write_text("cloud = 'AzureCloud'\n")
    with pytest.raises(UsageError, match="is there already") as caught:
        write_template(path)
    assert "--force" in caught.value.hint
    assert path.read_text() == "cloud = 'AzureCloud'\n"
    write_template(path, force=True)
    assert read(path).values["cloud"].value == "sandbox"
    assert [entry.name for entry in tmp_path.iterdir()] == [NAME]


def test_an_unknown_template_and_a_missing_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no template 'cheese'") as caught:
        write_template(tmp_path, "cheese")
    assert "wine-quality" in caught.value.hint
    with pytest.raises(UsageError, match="cannot be written: No such file or directory"):
        write_template(tmp_path / "nowhere" / NAME)


def test_the_programs_notebooks_are_found_and_a_projects_own_come_first(tmp_path: Path) -> None:
    assert (notebook_source() / "train.py").is_file()
    with pytest.raises(UsageError, match="No notebooks"):
        notebook_source(str(tmp_path))
    (tmp_path / "mine.py").touch()
    assert notebook_source(str(tmp_path)) == tmp_path
