"""Small parts of the runner: masks, commands, turns, numbers of runs, artifacts."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mlops_tui.sandbox.pipelines import azure_commands, github_commands, published, run_numbers
from mlops_tui.sandbox.pipelines.masks import Masks
from mlops_tui.sandbox.pipelines.published import ArtifactError, NothingFoundError
from mlops_tui.sandbox.pipelines.step_log import LONGEST_LINE, StepLog, read
from mlops_tui.sandbox.pipelines.turnstiles import Turnstiles


def test_a_secret_is_hidden_in_every_spelling_and_line_by_line() -> None:
    masks = Masks(["sesame open\n", "-----BEGIN-----\nkey line 1\n}\nkey line 2", "ab"])
    encoded = base64.b64encode(b"sesame open").decode()
    assert masks.hide(f"x sesame open y sesame%20open {encoded}") == "x *** y *** ***"
    assert masks.hide("key line 1\nand key line 2, } ab") == "***\nand ***, } ab"
    masks.add("later", "later-and-longer")
    assert masks.hide("later-and-longer later") == "*** ***"
    assert masks.shows("nothing here")
    assert not masks.shows("it comes later")


def test_a_log_has_whole_lines_with_their_moments_and_no_secret(tmp_path: Path) -> None:
    log = StepLog(tmp_path / "logs" / "1.log", Masks(["secret"]))
    log.say("a secret\r\nb\x1b[0m")
    log.say("x" * (LONGEST_LINE + 5))
    lines = read(tmp_path / "logs" / "1.log")
    assert log.lines == len(lines) == 3
    assert [line.partition(" ")[2] for line in lines[:2]] == ["a ***", "b\x1b[0m"]
    assert lines[0][10] == "T"
    assert lines[0].partition(" ")[0].endswith("Z")
    assert len(lines[2].partition(" ")[2]) == LONGEST_LINE
    assert (tmp_path / "logs" / "1.log").stat().st_mode & 0o777 == 0o600
    assert read(tmp_path / "none.log") == []


@pytest.mark.parametrize(
    ("line", "name", "properties", "data"),
    [
        (
            "##vso[task.logissue type=error;sourcepath=a%3Bb.py;]what%0Athis %AZP25",
            "task.logissue",
            {"type": "error", "sourcepath": "a;b.py"},
            "what\nthis %",
        ),
        (
            "before ##vso[Task.SetVariable variable=x;isSecret=true]v",
            "task.setvariable",
            {"variable": "x", "issecret": "true"},
            "v",
        ),
        ("##vso[task.complete result=Failed;]", "task.complete", {"result": "Failed"}, ""),
    ],
)
def test_azure_hears_commands_anywhere_in_a_line(line: str, name: str, properties: dict[str, str], data: str) -> None:
    command = azure_commands.parse(line)
    assert command is not None
    assert (command.name, command.properties, command.data) == (name, properties, data)


@pytest.mark.parametrize("line", ["##vso[task]x", "##[error]x", "##vso[task.a", "# #vso[task.a]", "##vso[.a]x"])
def test_azure_takes_other_lines_for_lines(line: str) -> None:
    assert azure_commands.parse(line) is None


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("  ::error file=a%3Ab.py,line=3::no%0Ause %25", ("error", {"file": "a:b.py", "line": "3"}, "no\nuse %")),
        ("::group::T", ("group", {}, "T")),
        ("x ##[add-mask]y", ("add-mask", {}, "y")),
        ("say ::error::x", None),
        ("::unknown::x", None),
        ("::error", None),
    ],
)
def test_github_hears_commands_at_the_start_of_a_line(line: str, found: object) -> None:
    assert github_commands.parse(line, github_commands.NAMES) == found


def test_files_of_assignments_are_read_as_github_reads_them() -> None:
    text = "a=1=2\n\nlong<<END\nx\ny=z\nEND\nempty=\nb=c<<d\n"
    assert list(github_commands.assignments(text)) == [("a", "1=2"), ("long", "x\ny=z"), ("empty", ""), ("b", "c<<d")]
    for bad, why in (("word", "Invalid format 'word'"), ("=x", "Name must not be empty"), ("a<<E\nx", "not found 'E'")):
        with pytest.raises(ValueError, match=why):
            list(github_commands.assignments(bad))


def test_one_goes_at_a_time_and_the_newest_of_those_that_wait_stays() -> None:
    turns = Turnstiles()
    assert turns.pass_through("prod", "1", False, False)
    assert not turns.pass_through("prod", "2", False, False)
    assert not turns.pass_through("prod", "3", False, False)
    assert turns.is_out("2")
    assert not turns.pass_through("prod", "2", False, False)
    turns.leave("2")
    turns.leave("1")
    assert turns.pass_through("prod", "3", False, False)
    assert not turns.pass_through("prod", "4", False, True)
    assert turns.is_out("3")  # it runs, and has to end
    turns.leave("3")
    assert turns.pass_through("prod", "4", False, True)


def test_in_line_everybody_waits_for_their_turn() -> None:
    turns = Turnstiles()
    assert [turns.pass_through("prod", key, True, False) for key in "abc"] == [True, False, False]
    turns.leave("a")
    assert [turns.pass_through("prod", key, True, False) for key in "cb"] == [False, True]


def test_runs_are_numbered_by_the_files_format() -> None:
    counted: dict[str, int] = {}

    def count(text: str) -> int:
        counted[text] = counted.get(text, 0) + 1
        return counted[text]

    def number(pattern: str) -> str:
        return run_numbers.azure(
            pattern, {"Build.SourceBranchName": "main", "v": "2"}, datetime(2026, 3, 4, 5, 6, tzinfo=UTC), count
        )

    assert [number("$(Date:yyyyMMdd)$(Rev:.r)") for _ in range(2)] == ["20260304.1", "20260304.2"]
    assert number("$(SourceBranchName)_$(Date:yy.MM.dd-HHmm)_$(rev:rr)") == "main_26.03.04-0506_01"
    assert number("$(v).$(unknown).$(DayOfYear)") == "2.$(unknown).063"
    assert number("release") == "release"


def test_an_artifact_is_handed_over_as_it_was(tmp_path: Path) -> None:
    base, root = tmp_path / "s", tmp_path / "kept"
    for name in ("out/a.txt", "out/deep/b.txt", "out/.hidden", "c.txt"):
        place = base / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(name)
    assert published.publish(root, "drop", "out", base, hidden=False) == 2
    assert published.publish(root, "all", "out", base, hidden=True) == 3
    assert published.publish(root, "some", "out/**/*.txt\n!out/deep/**\nc.txt", base, hidden=False) == 2
    assert published.publish(root, "one", str(base / "c.txt"), base, hidden=False) == 1
    assert published.take(root, "drop", tmp_path / "to") == 2
    assert (tmp_path / "to" / "deep" / "b.txt").read_text() == "out/deep/b.txt"
    assert sorted(path.name for path in published.listed(root)["some"].rglob("*.txt")) == ["a.txt", "c.txt"]
    assert list(published.listed(root)) == ["all", "drop", "one", "some"]
    with pytest.raises(ArtifactError, match="already exists"):
        published.publish(root, "drop", "c.txt", base, hidden=False)
    with pytest.raises(ArtifactError, match="not found for name: gone"):
        published.take(root, "gone", tmp_path / "to")
    with pytest.raises(NothingFoundError, match="No files were found"):
        published.publish(root, "none", "nothing/*", base, hidden=False)
    for name in ("../up", "a/b", "", ".x"):
        with pytest.raises(ArtifactError, match="name is not valid"):
            published.publish(root, name, "c.txt", base, hidden=False)
