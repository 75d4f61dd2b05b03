"""Workflows of GitHub really run: needs, conditions, outputs, environment files, approvals, what steps say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.pipeline_desk import Desk, desk, job, jobs, messages


@pytest.fixture
def github(tmp_path: Path) -> Iterator[Desk]:
    with desk(tmp_path, "github") as found:
        found.side.given = {"GITHUB_REF_NAME": "main", "GITHUB_RUN_NUMBER": "1"}
        yield found


WORKFLOW = """
name: wine
run-name: Build ${{ inputs.build || github.run_number }}
on:
  push:
    branches: [main]
    paths-ignore: ['docs/**']
  workflow_dispatch:
    inputs:
      build: {type: string, default: ''}
      stage: {type: choice, options: [all, staging], default: all}
      dry: {type: boolean}
permissions: {}
env:
  TENANT: ${{ vars.TENANT }}
jobs:
  train:
    if: (inputs.stage || 'all') == 'all'
    runs-on: ubuntu-latest
    permissions: {contents: read, id-token: write}
    outputs:
      build: ${{ steps.make.outputs.build }}
      leak: ${{ steps.make.outputs.leak }}
    steps:
      - uses: actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1
        with: {persist-credentials: false}
      - uses: actions/setup-python@v6
        with: {python-version: '3.x', cache: pip}
      - name: Train
        id: make
        run: |
          cat notebooks/train.py; pwd; echo "$GITHUB_WORKSPACE $TENANT dry=${{ inputs.dry }}."
          git remote get-url origin; git log --oneline
          mkdir -p drop/metadata && echo '{}' > drop/metadata/image.json
          printf 'build=77\\nleak=%s\\n' "$TOKEN" >> "$GITHUB_OUTPUT"
          printf 'LONG<<END\\nline 1\\nline 2\\nEND\\n' >> "$GITHUB_ENV"
          mkdir more && printf '#!/bin/sh\\necho found me' > more/finder && chmod +x more/finder
          echo "$PWD/more" >> "$GITHUB_PATH"
          echo "# Wine $TOKEN" >> "$GITHUB_STEP_SUMMARY"
        env:
          TOKEN: ${{ secrets.TOKEN }}
      - run: finder; echo "$LONG" | tail -1; echo "[$TOKEN]"; echo "build ${{ steps.make.outputs.build }}"
      - uses: actions/upload-artifact@v6
        with: {name: drop, path: drop}
  staging:
    needs: train
    if: inputs.stage == 'staging' || (success() && (inputs.stage || 'all') == 'all')
    runs-on: ubuntu-latest
    environment: wine-staging
    steps:
      - if: needs.train.result == 'success'
        uses: actions/download-artifact@v7
        with: {name: drop, path: drop}
      - run: find . -name '*.json'; echo "build=${{ needs.train.outputs.build }} leak=${{ needs.train.outputs.leak }}."
  production:
    needs: staging
    runs-on: ubuntu-latest
    steps: [{run: echo done}]
"""


def test_jobs_go_in_the_order_of_their_needs_and_hand_over_what_they_make(github: Desk) -> None:
    github.side.plain["TENANT"] = "contoso"
    github.side.hidden["TOKEN"] = "sesame-open"
    run = github.run(WORKFLOW, reason="push", files={"notebooks/train.py": "print('train')\n"})
    log = github.text(run)
    assert run["result"] == "succeeded", log
    assert (run["title"], run["number"]) == ("Build 1", "1")
    assert jobs(run) == {"train": "succeeded", "staging": "succeeded", "production": "succeeded"}
    train = job(run, "train")
    assert train["permissions"] == {"contents": "read", "id-token": "write"}
    assert train["outputs"] == {"build": "77"}
    assert "Skip output 'leak' since it may contain secret." in messages(train)
    assert "print('train')" in log
    assert "contoso dry=." in log
    assert "found me" in log
    assert "line 2\n[]\nbuild 77" in log
    assert "./drop/metadata/image.json" in log
    assert "build=77 leak=." in log
    assert "sesame-open" not in log
    assert "  TOKEN: ***" in log
    assert github.pipelines.summary(run["id"], train["id"]) == "# Wine ***\n"
    titles = [step["title"] for step in train["steps"]]
    assert titles[:3] == [
        "Run actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1",
        "Run actions/setup-python@v6",
        "Train",
    ]
    first = github.pipelines.log(run["id"], train["steps"][0]["id"])[0]
    assert first.endswith(" ##[group]Run actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1")
    assert job(run, "production")["permissions"] == {}


def test_inputs_leave_out_a_job_and_wrong_ones_are_refused(github: Desk) -> None:
    run = github.run(WORKFLOW, stage="staging", build="20261128.1")
    assert run["title"] == "Build 20261128.1"
    assert jobs(run) == {"train": "skipped", "staging": "succeeded", "production": "skipped"}
    for given, why in (
        ({"stage": "moon"}, r"Provided value 'moon' for input 'stage' not in the list of allowed values"),
        ({"other": "1"}, r'Unexpected inputs provided: \["other"\]'),
        ({"dry": "maybe"}, "Provided value 'maybe' for input 'dry' is not a boolean"),
    ):
        with pytest.raises(ValueError, match=why):
            github.launch(WORKFLOW, "manual", None, **given)
    with pytest.raises(ValueError, match="does not have 'workflow_dispatch' trigger"):
        github.launch("on: push\njobs: {a: {runs-on: x, steps: [{run: echo}]}}")


def test_a_push_starts_what_its_file_says(github: Desk) -> None:
    triggers = github.pipelines.triggers
    assert triggers("github", "a.yml", WORKFLOW.encode(), "main", ["docs/a.md", "b.py"])
    assert not triggers("github", "a.yml", WORKFLOW.encode(), "main", ["docs/a.md"])
    assert not triggers("github", "a.yml", WORKFLOW.encode(), "next", ["b.py"])


FAILING = """
on: workflow_dispatch
jobs:
  bad:
    runs-on: ubuntu-latest
    steps:
      - {id: soft, run: "false; echo never", continue-on-error: true}
      - run: echo "${{ steps.soft.outcome }} ${{ steps.soft.conclusion }} ${{ job.status }}"
      - run: false | cat; echo past the pipe
      - {shell: bash, run: false | cat; echo never}
      - run: echo never
      - {if: always(), run: echo always}
      - {if: failure(), run: 'echo "::error file=a.py,line=3,title=T::for the failed%0Atwo"'}
  after: {needs: bad, runs-on: x, steps: [{run: echo}]}
  far: {needs: after, if: failure(), runs-on: x, steps: [{run: echo rescued}]}
  soft: {runs-on: x, continue-on-error: true, steps: [{run: exit 2}]}
"""


def test_what_fails_stops_what_needs_it_and_nothing_else(github: Desk) -> None:
    run = github.run(FAILING)
    assert jobs(run) == {"bad": "failed", "after": "skipped", "far": "succeeded", "soft": "succeeded"}
    assert run["result"] == "failed"
    bad = job(run, "bad")
    results = [step["result"] for step in bad["steps"]]
    assert results == ["failed", "succeeded", "succeeded", "failed", "skipped", "succeeded", "succeeded"]
    log = github.text(run, bad["id"])
    assert "failure success success" in log
    assert "\npast the pipe\n" in log
    assert "\nnever\n" not in log
    assert bad["issues"][-1] == {"type": "error", "message": "for the failed\ntwo", "file": "a.py", "line": 3}
    assert messages(job(run, "soft")) == ["Process completed with exit code 2."]


GUARDED = """
on: workflow_dispatch
concurrency: {group: '${{ github.workflow }}', cancel-in-progress: false}
jobs:
  deploy:
    runs-on: ubuntu-latest
    environment: {name: '${{ vars.WHERE }}-production', url: https://example.com}
    steps: [{run: echo deployed}]
"""


def test_a_guarded_environment_waits_and_of_those_behind_it_the_newest_stays(github: Desk) -> None:
    github.side.plain["WHERE"] = "wine"
    github.side.guarded.add("wine-production")
    first, second, third = (github.launch(GUARDED)["id"] for _ in range(3))
    waiting = github.until(first, lambda run: run["state"] == "waiting")
    assert job(waiting, "deploy")["environment"] == "wine-production"
    passed_over = github.until(second, lambda run: run["state"] == "completed")
    assert passed_over["result"] == "canceled"
    assert "higher priority waiting request" in messages(passed_over)[0]
    github.pipelines.approve(first, job(waiting, "deploy")["approval"]["id"], "octocat")
    assert github.until(first, lambda run: run["state"] == "completed")["result"] == "succeeded"
    newest = github.until(third, lambda run: run["state"] == "waiting")
    github.pipelines.approve(third, job(newest, "deploy")["approval"]["id"], "octocat", rejected=True)
    assert github.until(third, lambda run: run["state"] == "completed")["result"] == "failed"


HOSTILE = r"""
on: workflow_dispatch
jobs:
  one:
    runs-on: x
    steps:
      - id: a
        run: |
          echo "::add-mask::hidden-$((40 + 2))"
          echo "a hidden-$((40 + 2)) thing"
          echo "::set-output name=x::1"
          echo "say ::error::not a command"
          printf 'x\r::warning::after a carriage return\n'
          token=$(printf tok%s en)
          echo "::stop-commands::$token"
          echo "::error::quiet"; echo "::add-mask::thing"
          echo "::$token::"
          echo "::notice::loud"
          echo "##[error]older ones are commands, too"
      - run: echo "[${{ steps.a.outputs.x }}]"
      - {id: b, run: 'echo "no assignment" >> "$GITHUB_OUTPUT"'}
"""


def test_commands_are_obeyed_as_github_obeys_them_and_foreign_output_can_be_kept_from_it(github: Desk) -> None:
    run = github.run(HOSTILE)
    log = github.text(run, "1.1.1")
    assert "a *** thing" in log
    assert "\n::error::quiet\n::add-mask::thing\n" in log
    first = job(run, "one")["steps"][0]
    assert messages(first)[0].startswith("The `set-output` command is disabled. Please upgrade to using Environment")
    assert messages(first)[1:] == ["after a carriage return", "older ones are commands, too"]
    assert "\n[]" in github.text(run, "1.1.2")
    assert job(run, "one")["result"] == "failed"
    assert "Invalid format 'no assignment'" in messages(job(run, "one")["steps"][2])[0]


def test_an_expression_that_cannot_be_worked_out_fails_its_step_with_the_reason(github: Desk) -> None:
    text = "on: workflow_dispatch\njobs: {one: {runs-on: x, steps: [{run: 'echo ${{ fromJSON(vars.X).a }}'}]}}"
    run = github.run(text)
    assert run["result"] == "failed"
    assert messages(job(run, "one"))[0].startswith("the function 'fromjson' cannot be worked out")
