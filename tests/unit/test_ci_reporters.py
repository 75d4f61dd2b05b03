"""In the log of a CI host: what goes on is folded, what is wrong is pinned to its line, and no text is a command."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

from mlops_tui import events, redaction
from mlops_tui.cli import main
from mlops_tui.commands import running
from mlops_tui.commands.running import output_of
from mlops_tui.events import (
    Check,
    Comparison,
    Endpoint,
    ErrorCard,
    Event,
    LogLine,
    Problem,
    RunsCompared,
    RunState,
    StepState,
    Validated,
    Verdict,
)
from mlops_tui.headless import azure_pipelines, github
from mlops_tui.headless.ci_text import CiText
from mlops_tui.headless.tame import tame
from mlops_tui.headless.text import PlainText
from tests.unit.test_headless import EVERY_EVENT, RUNS

Reporter = Callable[[io.StringIO, Mapping[str, str]], CiText]
BOTH: dict[str, Reporter] = {"github": github.reporter, "azure-pipelines": azure_pipelines.reporter}
HOSTILE = (
    "::set-output name=x::y",
    "  ::add-path::/tmp",
    "\u00ad:\u200b:set-env name=PATH::/tmp",
    "text ##[add-mask]x",
    "##vso[task.setvariable variable=PATH]/tmp",
    "label ##VSO[task.complete result=Succeeded;]",
    "#\u00ad#v\u200bso[task.setvariable variable=PATH]/tmp",
    "harmless\r::set-output name=x::y",
    "harmless\r##vso[task.setvariable variable=PATH]/tmp",
    "harmless\n::stop-commands::me\n##vso[task.uploadfile]/etc/passwd",
    "\x1b[31m::error::not ours\x1b[0m",
)


@dataclass
class Host:
    """A host's log, as far as it has come."""

    name: str
    folder: Path
    out: io.StringIO
    reporter: CiText

    def show(self, *all_of: Event) -> list[str]:
        """The lines that came of these."""
        before = len(self.out.getvalue())
        for event in all_of:
            self.reporter.show(event)
        return self.out.getvalue()[before:].splitlines()

    @property
    def lines(self) -> list[str]:
        return self.out.getvalue().splitlines()

    def commands(self) -> list[str]:
        """As the host itself finds them: .NET's lines, and signs that nobody sees are not there."""
        found, stopped = [], ""
        for line in re.split(r"[\r\n]+", self.out.getvalue()):
            seen = re.sub(r"[^\x20-\x7e]", "", line)
            if self.name == "azure-pipelines":
                found += [seen] if "##vso[" in seen.lower() else []
                continue
            command = seen.strip() if seen.lstrip().startswith("::") else "##[" + seen.partition("##[")[2]
            if stopped:
                stopped = "" if command == f"::{stopped}::" else stopped
            elif command.startswith("::stop-commands::"):
                stopped = command.removeprefix("::stop-commands::")
            elif command != "##[":
                found.append(command)
        return found

    def kinds(self) -> set[str]:
        return {re.split(r"[ \]]|(?<=\w)::", command)[0] for command in self.commands()}

    def summary(self) -> str:
        if self.name == "github":
            return (self.folder / "summary").read_text()
        [path] = re.findall(r"uploadsummary\](.*)", self.out.getvalue())
        return Path(path).read_text()

    def outputs(self) -> dict[str, str]:
        if self.name == "github":
            file = self.folder / "output"
            return dict(line.split("=", 1) for line in file.read_text().splitlines()) if file.exists() else {}
        return dict(re.findall(r"setvariable variable=(\w+);isoutput=true\](.*)", self.out.getvalue()))


@pytest.fixture(params=list(BOTH))
def host(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    # The secrets of stories told before in this process would be masked here, too.
    monkeypatch.setattr(redaction, "_known", set())
    monkeypatch.setattr(redaction, "_pattern", None)
    environment = {
        "GITHUB_OUTPUT": str(tmp_path / "output"),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
        "AGENT_TEMPDIRECTORY": str(tmp_path),
    }
    out = io.StringIO()
    return Host(request.param, tmp_path, out, BOTH[request.param](out, environment))


def started(name: str) -> RunState:
    return RunState(run=name, state="running")


def ended(name: str) -> RunState:
    return RunState(run=name, state="succeeded", seconds=2.0)


def failed(message: str = "It failed.", raw: str = "", exit_code: int = 1) -> Problem:
    return Problem(error=ErrorCard(message, "Do this.", "", raw, "", exit_code))


FINISHED = events.CommandFinished(command="train", exit_code=1, seconds=3.0, summary="")
BEGUN = events.CommandStarted(command="train", cloud="sandbox", project="wine", version="1")


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_from_outside_is_a_command(host: Host, text: str) -> None:
    host.show(
        BEGUN,
        LogLine(source=text, text=text),
        StepState(step="s", title=text, state="running", detail=text),
        started(text),
        LogLine(source="s", text=text),
        LogLine(source=text, text=text),
        RunState(run=text, state="failed", detail=text, url=text),
        events.Identified(what=text, id=text, url=text),
        RunsCompared(build=text, results=RUNS, best=text, gate=text, passed=True),
        failed(text, text),
        failed(text, text, exit_code=2),
        FINISHED,
    )
    ours = {"::group", "::endgroup", "::error", "::warning", "::add-mask"}
    if host.name == "azure-pipelines":
        ours = {f"##vso[task.{name}" for name in ("logissue", "setprogress", "setvariable", "uploadsummary")}
    assert host.kinds() <= ours
    issues = [command for command in host.commands() if command.startswith(("::error", "##vso[task.logissue"))]
    assert len(issues) == 3, "the run and the two problems: one line each"


@pytest.mark.parametrize("line", ["a ## heading", "std::vector<int>", "# one", "[1] ##", "x = a::b", "日本語 ## ["])
def test_what_is_no_command_stays_as_it_is(line: str) -> None:
    assert tame(line) == line


@pytest.mark.parametrize("event", EVERY_EVENT, ids=lambda event: event.type)
def test_every_event_is_shown(host: Host, event: Event) -> None:
    text = io.StringIO()
    PlainText(text, text).show(event)
    said = {line.strip() for line in text.getvalue().splitlines() if "\u202e" not in line}
    assert said <= {line.strip() for line in host.show(event)}


def test_secrets_are_masked_there_before_anything_is_said_and_as_soon_as_there_are_more(host: Host) -> None:
    redaction.register("first-secret%")
    again = BOTH[host.name](host.out, {})
    word, escaped = ("::add-mask::", "first-secret%25")
    if host.name == "azure-pipelines":
        word, escaped = "##vso[task.setsecret]", "first-secret%AZP25"
    assert f"{word}{escaped}" in host.lines
    again.show(started("a"))
    redaction.register("one-line\nand-another")
    before = len(host.lines)
    again.show(LogLine(source="a", text="it is one-line\nand-another"))
    after = host.lines[before:]
    assert {f"{word}one-line", f"{word}and-another"} <= set(after)
    assert [line for line in after if "one-line" in line and not line.startswith(word)] == []


def test_a_secret_that_is_split_over_lines_is_in_none_of_them(host: Host) -> None:
    redaction.register("dapi-one-two-three-four")
    host.show(
        started("a"),
        LogLine(source="a", text="the token is dapi-one-t"),
        LogLine(source="b", text="meanwhile"),
        LogLine(source="a", text="wo-three-four, and more"),
        LogLine(source="a", text="dap"),
        LogLine(source="a", text="i-one-two-three-four it was"),
        LogLine(source="a", text="dapi-one-"),
        LogLine(source="a", text="two-thre"),
        LogLine(source="a", text="e-four"),
    )
    said = [line for line in host.lines if not line.startswith(("::add-mask", "##vso[task.setsecret"))]
    assert not [line for line in said if "one-t" in line or "three" in line or "e-four" in line]
    assert any(line.endswith(", and more") for line in said)
    assert any(line.endswith("it was") for line in said)
    assert any(line.endswith("meanwhile") for line in said)


def test_runs_side_by_side_are_folded_one_after_the_other_and_nothing_is_lost(host: Host) -> None:
    live = host.show(started("a"), started("b"), LogLine(source="a", text="a 1"), LogLine(source="b", text="b 1"))
    assert [line for line in live if "a 1" in line], "the first is live"
    assert not [line for line in live if "b 1" in line]
    host.show(LogLine(source="b", text="b 2"), ended("b"), LogLine(source="a", text="a 2"), ended("a"))
    opened, texts = "", []
    for line in host.lines:
        if group := re.match(r"(?:::group::|##\[group\])(.*)", line):
            assert not opened, "hosts fold no group in another"
            opened = group[1]
        elif line in ("::endgroup::", "##[endgroup]"):
            opened = ""
        elif said := re.search(r"[ab] \d$", line):
            texts.append((opened, said[0]))
    assert texts == [("a", "a 1"), ("a", "a 2"), ("b", "b 1"), ("b", "b 2")]


def test_what_a_command_leaves_open_at_its_end_is_said_all_the_same(host: Host) -> None:
    host.show(started("a"), started("b"), LogLine(source="b", text="b 1"))
    assert any("b 1" in line for line in host.show(FINISHED))


def test_a_problem_in_the_projects_file_is_pinned_to_its_line(host: Host) -> None:
    problem = "mlops.toml:7: azure.resource_group: must not end; in a ], 100% sure"
    last = host.show(failed("There is a problem.", problem, exit_code=2))
    if host.name == "github":
        wanted = (
            "::error title=mlops-tui,file=mlops.toml,line=7::azure.resource_group: must not end; in a ], 100%25 sure"
        )
    else:
        wanted = (
            "##vso[task.logissue type=error;sourcepath=mlops.toml;linenumber=7;]"
            "azure.resource_group: must not end%3B in a %5D, 100%AZP25 sure"
        )
    assert wanted in last


def test_a_run_that_failed_is_pinned_to_the_notebooks_line(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(host.folder)
    (host.folder / "notebooks").mkdir()
    (host.folder / "notebooks" / "train.py").touch()
    frames = ('  File "/Shared/MLFlow/train", line 3, cell 1', '  File "/Shared/MLFlow/train", line 41, cell 6')
    traceback = [LogLine(source="a", text=frame, level="error") for frame in frames]
    last = host.show(started("a"), *traceback, RunState(run="a", state="failed", detail="KeyError: 'x'"))
    [issue] = [line for line in last if "KeyError" in line and line.startswith(("::error", "##vso[task.logissue"))]
    assert "notebooks/train.py" in issue
    assert "41" in issue


def test_later_steps_get_what_they_ask_for(host: Host) -> None:
    host.show(RunsCompared(build="17\nPATH=/tmp", results=RUNS, best="b", gate="rmse < 0.8", passed=True))
    found = host.outputs()
    assert found["gate"] == "passed"
    assert found["build_number"].startswith("17")
    assert "PATH" not in found


VERDICT = Verdict(
    build="17",
    image="r/i@sha256:1",
    stage="staging",
    passed=False,
    rows=400,
    checks=(Check("gate", False, "rmse 0.9 | <b>bad</b>"),),
    comparisons=(Comparison("rmse", 0.7, 0.9),),
    p50_ms=1.0,
    p95_ms=2.0,
    at=0.0,
)


def test_the_page_of_the_run_has_metrics_verdict_links_and_why_it_failed(host: Host) -> None:
    redaction.register("a-secret-of-theirs")
    endpoint = Endpoint("staging", "aci", "Azure Container Instances", "healthy", url="https://aci.example/score")
    host.show(
        BEGUN,
        events.Identified(what="job run", id="17", url="https://adb.example/jobs/17"),
        RunsCompared(build="17", results=RUNS, best="b", gate="rmse < 0.8", passed=True),
        Validated(verdict=VERDICT),
        events.EndpointsRead(endpoints=(endpoint,)),
        failed("It <failed>.", "raw a-secret-of-theirs\n```\n# no heading"),
        FINISHED,
    )
    page = host.summary()
    assert "| b | succeeded | 0.7100 | 0.5500 | 0.2500 | **best** |" in page
    assert "The gate rmse \\< 0.8 is passed." in page
    assert "**failed**: gate: rmse 0.9 \\| \\<b\\>bad\\</b\\>" in page
    assert "[job run 17](<https://adb.example/jobs/17>)" in page
    assert "`https://aci.example/score`" in page
    assert "**Error:** It \\<failed\\>." in page
    assert "\n    raw [REDACTED]\n    ```\n    # no heading" in page
    assert "ended with exit code 1" in page
    assert host.outputs()["verdict"] == "failed"
    assert host.outputs()["staging_url"] == endpoint.url


def test_a_command_that_never_began_tells_why_on_the_page_too(host: Host) -> None:
    host.show(failed("There is a problem.", "mlops.toml:7: a: b", exit_code=2))
    assert "There is a problem." in host.summary()


def test_azure_pipelines_shows_how_far_it_is() -> None:
    out = io.StringIO()
    reporter = azure_pipelines.reporter(out, {})
    for event in (RunState(run="b", state="pending"), started("a"), ended("a")):
        reporter.show(event)
    assert re.findall(r"setprogress value=(\d+)", out.getvalue()) == ["0", "50"]


@pytest.mark.parametrize(
    ("environment", "output"),
    [({"TF_BUILD": "True"}, "azure-pipelines"), ({"GITHUB_ACTIONS": "true"}, "github"), ({"CI": "true"}, "text")],
)
def test_the_host_that_is_at_work_is_spoken_to(
    environment: Mapping[str, str], output: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert output_of(environment) == output
    asked: list[str] = []
    monkeypatch.setattr(running, "run", lambda invocation, _: asked.append(invocation.output))
    for chosen in ((), ("--output", "json")):
        CliRunner(env={**environment, "HOME": str(tmp_path)}).invoke(main, ["images", *chosen])
    assert asked == [output, "json"]
