"""Pipelines of Azure DevOps really run: stages, conditions, variables, artifacts, approvals, what steps say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.pipeline_desk import Desk, desk, job, jobs, messages


@pytest.fixture
def azure(tmp_path: Path) -> Iterator[Desk]:
    with desk(tmp_path, "azure-devops") as found:
        yield found


STAGES = """
name: $(Date:yyyyMMdd)$(Rev:.r)
trigger: {branches: {include: [main]}, paths: {include: [notebooks]}}
pr: none
parameters:
- name: stage
  type: string
  default: all
  values: [all, staging]
variables:
  COLOUR: red
stages:
- stage: Train
  condition: eq('${{ parameters.stage }}', 'all')
  jobs:
  - job: train
    steps:
    - script: |
        cat notebooks/train.py
        echo "$COLOUR on $BUILD_SOURCEBRANCHNAME as $(Build.SourceBranchName), not $(Nothing)"
        git remote get-url origin
        mkdir out && echo 77 > out/build
        echo "##vso[task.setvariable variable=build;isoutput=true]77"
      name: make
    - script: echo "it is $(make.build)"
    - publish: out
      artifact: drop
- stage: Staging
  dependsOn: Train
  condition: or(eq('${{ parameters.stage }}', 'staging'), succeeded())
  jobs:
  - deployment: deploy
    environment: wine-staging
    variables:
      BUILD: $[ stageDependencies.Train.train.outputs['make.build'] ]
    strategy:
      runOnce:
        deploy:
          steps:
          - download: current
            artifact: drop
            condition: and(succeeded(), eq('${{ parameters.stage }}', 'all'))
          - script: ls -a; echo "build=$BUILD"; ls "$(Pipeline.Workspace)"
- stage: Production
  jobs:
  - job: last
    steps:
    - checkout: none
    - script: echo done
"""


def test_stages_go_one_after_the_other_and_hand_over_what_they_make(azure: Desk) -> None:
    run = azure.run(STAGES, files={"notebooks/train.py": "print('train')\n"})
    assert run["result"] == "succeeded"
    assert jobs(run) == {"train": "succeeded", "deploy": "succeeded", "last": "succeeded"}
    assert run["number"].endswith(".1")
    assert run["title"] == "Try"
    train, staging, production = run["stages"]
    assert train["finished"] <= staging["started"] <= staging["finished"] <= production["started"]
    log = azure.text(run)
    assert "print('train')" in log
    assert "red on  as main, not $(Nothing)" not in log  # the host gives BUILD_…, and here it gives none
    assert "https://localhost/practice/wine.git" in log
    assert "it is 77" in log
    assert "build=77" in azure.text(run, "2.1")
    assert "train.py" not in azure.text(run, "2.1")  # a deployment does not check out
    assert list(azure.pipelines.artifacts(run["id"])) == ["drop"]
    assert (azure.pipelines.artifacts(run["id"])["drop"] / "build").read_text() == "77\n"
    steps = [step["title"] for step in job(run, "train")["steps"]]
    assert steps == ["Initialize job", "Checkout wine@main to s", "CmdLine", "CmdLine", "PublishPipelineArtifact"]
    lines = azure.pipelines.log(run["id"], "1.1.3")
    assert lines[0].endswith("##[section]Starting: CmdLine")
    assert azure.pipelines.log(run["id"], "1.1.3", after=2) == lines[2:]
    assert azure.pipelines.log(run["id"], "9.9") == []


def test_a_parameter_leaves_out_a_stage_and_a_wrong_one_is_refused(azure: Desk) -> None:
    run = azure.run(STAGES, stage="staging")
    assert jobs(run) == {"train": "skipped", "deploy": "succeeded", "last": "skipped"}  # as it depends on Train, too
    assert run["result"] == "succeeded"
    assert [step["result"] for step in job(run, "deploy")["steps"]] == ["succeeded", "skipped", "succeeded"]
    with pytest.raises(ValueError, match=r"'moon' is not a valid value\. Allowed values: all, staging"):
        azure.launch(STAGES, stage="moon")
    with pytest.raises(ValueError, match="Unexpected parameter 'other'"):
        azure.launch(STAGES, other="1")


def test_a_push_starts_what_its_file_says(azure: Desk) -> None:
    text = STAGES.encode()
    triggers = azure.pipelines.triggers
    assert triggers("azure-devops", "a.yml", text, "main", ["notebooks/train.py"])
    assert not triggers("azure-devops", "a.yml", text, "main", ["README.md"])
    assert not triggers("azure-devops", "a.yml", text, "other", ["notebooks/train.py"])
    assert not triggers("azure-devops", "a.yml", b"trigger: none\nsteps: [{script: x}]", "main", [])


FAILING = """
jobs:
- job: bad
  steps:
  - script: exit 3
    continueOnError: true
  - script: echo still here; exit 4
    displayName: The bad one
  - script: echo not here
  - script: echo always here
    condition: always()
  - script: echo for the failed
    condition: failed()
- job: after
  dependsOn: bad
  steps: [{script: echo}]
- job: rescue
  dependsOn: bad
  condition: failed('bad')
  steps: [{script: echo rescued}]
"""


def test_what_fails_stops_what_needs_it_and_nothing_else(azure: Desk) -> None:
    run = azure.run(FAILING)
    assert run["result"] == "failed"
    assert jobs(run) == {"bad": "failed", "after": "skipped", "rescue": "succeeded"}
    bad = job(run, "bad")
    assert [step["result"] for step in bad["steps"][2:]] == ["failed", "failed", "skipped", "succeeded", "succeeded"]
    assert messages(bad) == ["Bash exited with code '3'.", "Bash exited with code '4'."]
    assert messages(bad["steps"][3]) == ["Bash exited with code '4'."]
    log = azure.text(run)
    assert "always here" in log
    assert "for the failed" in log
    assert "echo not here" not in log


GUARDED = """
stages:
- stage: Production
  lockBehavior: sequential
  jobs:
  - deployment: deploy
    environment: wine-production
    strategy: {runOnce: {deploy: {steps: [{script: echo deployed}]}}}
"""


def test_a_guarded_environment_waits_until_somebody_approves(azure: Desk) -> None:
    azure.side.guarded.add("wine-production")
    run = azure.until(azure.launch(GUARDED)["id"], lambda found: found["state"] == "waiting")
    assert run["stages"][0]["state"] == "waiting"
    approval = job(run, "deploy")["approval"]
    assert approval["state"] == "pending"
    with pytest.raises(LookupError):
        azure.pipelines.approve(run["id"], "another", "me")
    decided = azure.pipelines.approve(run["id"], approval["id"], "learner@sandbox.example", "good")
    assert (decided["state"], decided["by"], decided["comment"]) == ("approved", "learner@sandbox.example", "good")
    with pytest.raises(ValueError, match="decided already"):
        azure.pipelines.approve(run["id"], approval["id"], "me")
    run = azure.until(run["id"], lambda found: found["state"] == "completed")
    assert run["result"] == "succeeded"
    assert "deployed" in azure.text(run)


def test_a_rejected_one_fails_with_the_reason(azure: Desk) -> None:
    azure.side.guarded.add("wine-production")
    run = azure.until(azure.launch(GUARDED)["id"], lambda found: found["state"] == "waiting")
    azure.pipelines.approve(run["id"], job(run, "deploy")["approval"]["id"], "me", "too early", rejected=True)
    run = azure.until(run["id"], lambda found: found["state"] == "completed")
    assert run["result"] == "failed"
    assert messages(job(run, "deploy")) == ["The approval was rejected by me: too early"]
    assert azure.text(run) == ""


def test_runs_take_turns_in_one_environment(azure: Desk, tmp_path: Path) -> None:
    gate = f"until test -e {tmp_path}/go; do sleep 0.01; done"
    alone = f"{gate}; test ! -e {tmp_path}/in && touch {tmp_path}/in && sleep 0.1 && rm {tmp_path}/in"
    started = [azure.launch(GUARDED.replace("echo deployed", alone))["id"] for _ in range(4)]
    azure.pipelines.cancel(started[2])  # it gives its turn away
    (tmp_path / "go").touch()
    ended = [azure.until(one, lambda found: found["state"] == "completed")["result"] for one in started]
    assert ended == ["succeeded", "succeeded", "canceled", "succeeded"]


def test_what_the_host_objects_to_does_not_run(azure: Desk) -> None:
    azure.side.objection = "No hosted parallelism has been purchased or granted."
    run = azure.run(STAGES)
    assert run["result"] == "failed"
    assert messages(job(run, "train")) == [azure.side.objection]
    assert jobs(run) == {"train": "failed", "deploy": "skipped", "last": "skipped"}


SECRETS = """
variables:
  HOST: $(databricks.host)
steps:
- checkout: none
- script: |
    echo "in the environment: [$DATABRICKS_TOKEN] [$TOKEN] [$HOST] $(env | grep -c sesame)"
    echo "reversed: $(echo "$TOKEN" | rev)"
    echo "$KEY"
    echo "##vso[task.setvariable variable=made;issecret=true]another-$((40 + 2))-secret"
    echo "##vso[task.setsecret]third-$((40 + 2))-secret"
    echo "now third-$((40 + 2))-secret"
  env:
    TOKEN: $(databricks.token)
    KEY: $(key)
- script: |
    echo "made: $(made) [$MADE]"
    echo "##vso[task.logissue type=warning;sourcepath=a.py;linenumber=3]mind sesame-open%0Aand more"
    echo "##vso[task.uploadsummary]$PWD/summary.md"
- task: AzureCLI@2
  inputs:
    azureSubscription: azure
    scriptType: bash
    scriptLocation: inlineScript
    inlineScript: echo "$AZURESUBSCRIPTION_SERVICE_CONNECTION_ID $AZURE_CONNECTION_TOKEN"
"""


def test_secrets_are_there_only_where_they_are_mapped_and_never_in_the_log(azure: Desk) -> None:
    azure.side.hidden |= {"databricks.token": "sesame-open", "key": "first line of it\nsecond line of it"}
    azure.side.plain |= {"databricks.host": "https://adb"}
    text = SECRETS.replace('    echo "made:', "    echo '# Wine sesame-open' > summary.md\n    echo \"made:")
    run = azure.run(text)
    log = azure.text(run)
    assert run["result"] == "succeeded", log
    assert "in the environment: [] [***] [https://adb] 1" in log
    assert "nepo-emases" in log  # nobody can know that
    for secret in (
        "sesame-open",
        "first line",
        "second line",
        "another-42-secret",
        "third-42-secret",
        "connection-secret",
    ):
        assert secret not in log, secret
    assert "made: *** []" in log
    assert "77 ***" in log
    job_id = run["stages"][0]["jobs"][0]["id"]
    assert run["stages"][0]["jobs"][0]["issues"] == [
        {"type": "warning", "message": "mind ***\nand more", "file": "a.py", "line": 3}
    ]
    assert azure.pipelines.summary(run["id"], job_id) == "# Wine ***\n"
    kept = [path for path in (azure.folder / "sandbox" / "pipelines").rglob("*") if path.is_file()]
    assert kept
    assert not [path for path in kept if b"sesame-open" in path.read_bytes() or path.stat().st_mode & 0o077]


HOSTILE = r"""
steps:
- checkout: none
- script: |
    printf 'x\r##vso[task.setvariable variable=a]1\n'
    echo 'text ##vso[task.setvariable variable=b]2'
    echo '##vso[task.setvariable variable=tf.build]3'
    echo after
- script: echo "a=$(a) b=$(b)"
  condition: always()
- script: echo '##vso[artifact.upload artifactname=x]/etc/passwd'
  condition: always()
- script: echo '##vso[task.complete result=Failed]'
  condition: always()
"""


def test_commands_in_a_line_are_obeyed_as_azure_obeys_them_and_wrong_ones_fail_the_step(azure: Desk) -> None:
    run = azure.run(HOSTILE)
    steps = run["stages"][0]["jobs"][0]["steps"]
    assert [step["result"] for step in steps[1:]] == ["failed", "succeeded", "failed", "failed"]
    assert "Overwriting readonly variable 'tf.build' is not permitted." in messages(steps[1])[1]
    assert "a=1 b=2" in azure.text(run, steps[2]["id"])
    assert "##vso[artifact.upload] is not known to the practice cloud" in messages(steps[3])[1]


def test_a_job_finds_a_machine_with_nothing_of_its_user(azure: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_CLIENT_SECRET", "my-own-secret")
    monkeypatch.setenv("DATABRICKS_TOKEN", "my-own-token")
    text = """
steps:
- checkout: none
- task: UsePythonVersion@0
  inputs: {versionSpec: '2.7'}
- task: Cache@2
  inputs: {key: 'pip | "x"', path: .pip, cacheHitVar: HIT}
- script: |
    env
    echo "hit=$(HIT)"
    test "$HOME" != "$OLD" && ls -A "$HOME" && ls $(Build.ArtifactStagingDirectory)
    mlops-tui --version
    python -m pip install "starlette>0.1" && pip3 install -q "starlette==0.0.1"
"""
    run = azure.run(text)
    log = azure.text(run)
    assert run["result"] == "failed"
    assert "my-own" not in log
    assert "MLOPS_TUI_PRACTICE_ORIGIN=https://localhost:1" in log
    assert "hit=false" in log
    assert "\nmlops-tui 0." in log
    assert 'Cache not found for input keys: pip | "x"' in log
    assert "Requirement already satisfied: starlette>0.1" in log
    assert "No matching distribution found for starlette==0.0.1" in log
    assert "installs nothing from outside" in log
    assert "Python 2.7 was asked for; the practice cloud has this one alone." in log
    assert not list((azure.folder / "sandbox" / "pipelines" / "machines").iterdir())


def test_a_file_that_is_not_there_or_not_known_is_refused_at_once(azure: Desk) -> None:
    from mlops_tui.sandbox.pipelines.model import PipelineFileError

    with pytest.raises(PipelineFileError, match=r"azure-pipelines.yml: line 2: the step 'pwsh': not known"):
        azure.launch("steps:\n- pwsh: x")
    assert azure.pipelines.records("azure-devops", "practice/wine") == []
