"""Files of Azure Pipelines and of GitHub are read as there; what is not known here is refused with its line."""

from __future__ import annotations

from textwrap import dedent

import pytest

from mlops_tui.pipelines.files import pipeline_file
from mlops_tui.project import Ci, Project
from mlops_tui.sandbox.pipelines.host_rules import RULES
from mlops_tui.sandbox.pipelines.model import HostName, PipelineFileError
from mlops_tui.sandbox.pipelines.plan import Filter

AZURE, GITHUB = "azure-pipelines.yml", ".github/workflows/mlops.yml"
WORKFLOW = """
on: push
jobs:
  one:
    runs-on: ubuntu-latest
    steps:
      - run: echo
"""


@pytest.mark.parametrize("way", ["federated", "token"])
@pytest.mark.parametrize("pool", ["", "my agents"])
@pytest.mark.parametrize("host", ["azure-devops", "github"])
def test_what_we_render_is_known_to_the_practice_cloud(host: HostName, way: str, pool: str) -> None:
    made = pipeline_file(Project(ci=Ci(host=host, authentication=way, pool=pool)))  # type: ignore[arg-type]
    assert made is not None
    plan = RULES[host].read("file.yml", made.text.encode())
    assert len(list(plan.everything())) == 3
    assert {one.name for one in plan.parameters} == {"build_number", "stage"}
    assert plan.trigger is not None
    assert plan.trigger.takes("main", ["notebooks/train.py"])
    assert not plan.trigger.takes("other", ["notebooks/train.py"])


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ("steps: [{script: x}]\nresources: {}", 2, "'resources' of the pipeline: not known to the practice cloud"),
        ("steps:\n- pwsh: x", 2, "the step 'pwsh': not known"),
        ("steps:\n- script: x\n  target: host", 3, "'target' of a script step: not known"),
        ("steps:\n- task: Docker@2", 2, "the task 'Docker@2': not known"),
        (
            "steps:\n- task: UsePythonVersion@0\n  inputs:\n    versionSpec: 3\n    disableDownloadFromRegistry: true",
            5,
            "the input 'disableDownloadFromRegistry': not known",
        ),
        ("steps:\n- task: AzureCLI@2\n  inputs: {scriptType: bash}", 2, "the input 'inlinescript' is missing"),
        (
            "steps:\n- task: AzureCLI@2\n  inputs:\n    scriptType: pscore\n    inlineScript: x",
            4,
            "scripttype 'pscore'",
        ),
        ("pool:\n  vmImage: windows-latest\nsteps: [{script: x}]", 2, "vmImage 'windows-latest': not known"),
        ("jobs:\n- job: a\n  strategy: {}\n  steps: [{script: x}]", 3, "'strategy' of a job: not known"),
        ("jobs:\n- job: a\n  dependsOn: b\n  steps: [{script: x}]", 2, "'a' depends on 'b', which is not there"),
        (
            "jobs:\n- job: a\n  dependsOn: b\n  steps: [{script: x}]\n- job: b\n  dependsOn: a\n  steps: [{script: x}]",
            2,
            "a, b depend on each other in a circle",
        ),
        ("jobs:\n- deployment: d\n  strategy: {runOnce: {deploy: {steps: []}}}", 2, "names no environment"),
        (
            "jobs:\n- deployment: d\n  environment: e\n  strategy:\n    canary: {}",
            5,
            "'canary' of a strategy: not known",
        ),
        ("steps:\n- script: x\n  condition: eq(1", 3, "'eq\\(1' is not a valid expression"),
        ("steps:\n- script: echo ${{ parameters.nothing }}", 2, "the parameter 'nothing' is not declared"),
        ("steps:\n- ${{ each x in y }}:\n  - script: x", 2, "not known to the practice cloud"),
        ("parameters:\n- name: a\n  type: object\nsteps: [{script: x}]", 3, "the type 'object' of a parameter"),
        ("parameters:\n- name: a\n  default: z\n  values: [b]\nsteps: []", 2, "'z' is not a valid value"),
        ("variables:\n- group: g\nsteps: [{script: x}]", 2, "'group' of a variable: not known"),
        ("x: &a 1\nsteps: [{script: x}]", 1, "Azure Pipelines has no YAML anchors"),
        ("steps:\n- script: x\n- script: y\n  name: a b", 4, "'a b' is not a valid name"),
        ("steps:\n- script: x\nsteps: []", 3, "'steps' is already defined"),
        ("stages:\n- stage: a", 2, "the stage 'a' has no jobs"),
        ("steps:\n  - script: x\n bad", 3, "this is not YAML"),
        ("- a", 1, "a pipeline is a mapping"),
        ("", 1, "the file is empty"),
        ("a: !!python/object:os.system x", 1, "the tag"),
        ("trigger:\n  batch: true\nsteps: [{script: x}]", 2, "'batch' of trigger: not known"),
        (
            "steps:\n- checkout: self\n  persistCredentials: true",
            3,
            "'persistCredentials: true' of a checkout: not known",
        ),
    ],
)
def test_azure_pipelines_says_in_which_line_it_cannot_go_on(text: str, line: int, why: str) -> None:
    with pytest.raises(PipelineFileError, match=why) as caught:
        RULES["azure-devops"].read(AZURE, text.encode())
    assert str(caught.value).startswith(f"{AZURE}: line {line}: ")


@pytest.mark.parametrize(
    ("change", "line", "why"),
    [
        (("on: push", "on: [schedule]"), 2, "the event 'schedule': not known"),
        (("on: push", "on: push\nconcurrency: ${{ matrix.a }}"), 3, "the context 'matrix': not known"),
        (("ubuntu-latest", "windows-latest"), 5, "runs-on 'windows-latest': not known"),
        (("    steps:", "    strategy: {}\n    steps:"), 6, "'strategy' of the job 'one': not known"),
        (("    steps:", "    needs: two\n    steps:"), 4, "needs 'two', which is not there"),
        (("run: echo", "uses: docker/build-push-action@v6"), 7, "the action 'docker/build-push-action@v6': not known"),
        (("run: echo", "uses: ./local"), 7, "the action './local': not known"),
        (
            ("run: echo", "uses: actions/checkout@v5\n        with:\n          token: x"),
            9,
            "the input 'token' of actions",
        ),
        (("run: echo", "run: echo\n        shell: pwsh"), 8, "the shell 'pwsh': not known"),
        (("run: echo", "run: echo ${{ secrets.A }\n"), 7, "a '\\$\\{\\{' has no '\\}\\}'"),
        (("run: echo", "run: echo\n        if: secrets.A == ''"), 8, "an 'if' cannot read secrets"),
        (("run: echo", "name: nothing"), 7, "either 'run' or 'uses'"),
        (("    steps:", "    permissions: {secrets: read}\n    steps:"), 6, "'secrets' of permissions: not known"),
        (("run: echo", "<<: {run: x}"), 7, "the merge key"),
        (("run: echo", "run: *none"), 7, "has no anchor before it"),
        (("on: push", "on: {push: {branches: ['v[12]']}}"), 2, "the pattern 'v\\[12\\]': not known"),
    ],
)
def test_github_says_in_which_line_it_cannot_go_on(change: tuple[str, str], line: int, why: str) -> None:
    with pytest.raises(PipelineFileError, match=why) as caught:
        RULES["github"].read(GITHUB, WORKFLOW.replace(*change).encode())
    assert caught.value.line == line


def test_a_file_that_would_grow_without_end_is_refused() -> None:
    bomb = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9))
    with pytest.raises(PipelineFileError, match="more than 20000 nodes"):
        RULES["github"].read(GITHUB, bomb.encode())
    with pytest.raises(PipelineFileError, match="nested more than 50 deep"):
        RULES["azure-devops"].read(AZURE, b"[" * 100_000)
    with pytest.raises(PipelineFileError, match="larger than 256 KiB"):
        RULES["azure-devops"].read(AZURE, b"#" * 300_000)


def test_github_repeats_what_has_an_anchor() -> None:
    plan = RULES["github"].read(
        GITHUB, WORKFLOW.replace("run: echo", "&again\n        run: echo\n      - *again").encode()
    )
    assert [step.inputs.get("script") for step in plan.stages[0].jobs[0].steps] == ["echo", "echo"]


def test_azure_keeps_what_its_conditions_keep() -> None:
    text = dedent("""
        parameters:
        - {name: deep, type: boolean, default: true}
        variables:
          ${{ if parameters.deep }}:
            depth: deep
          ${{ else }}:
            depth: flat
        steps:
        - ${{ if eq(parameters.deep, false) }}:
          - script: no
        - ${{ elseif eq(variables['Build.Reason'], 'Manual') }}:
          - script: echo ${{ parameters.deep }} ${{ variables.none }}.
        - ${{ else }}:
          - script: no
    """)
    plan = RULES["azure-devops"].read(AZURE, text.encode())
    assert plan.variables == (("depth", "deep"),)
    steps = plan.stages[0].jobs[0].steps
    assert [step.inputs.get("script") for step in steps if step.action == "run"] == ["echo True ."]


@pytest.mark.parametrize(
    ("kept", "name", "takes"),
    [
        (Filter(), "anything", True),
        (Filter(("main",)), "main", True),
        (Filter(("main",)), "main/x", False),
        (Filter(("releases/**",)), "releases/1/2", True),
        (Filter(("releases/*",)), "releases/1/2", False),
        (Filter(("releases/*",), wide=True), "releases/1/2", True),
        (Filter(("!docs/**",)), "src/a.py", True),
        (Filter(("!docs/**",)), "docs/a.md", False),
        (Filter(("**", "!docs/**", "docs/keep.md")), "docs/keep.md", True),
        (Filter(("**.py",)), "a/b.py", True),
        (Filter(("/notebooks",), below=True), "notebooks/train.py", True),
        (Filter(("notebooks/*",), below=True), "notebooks/deep/train.py", True),
        (Filter(("a.b",)), "axb", False),
    ],
)
def test_names_fit_patterns_as_on_the_hosts(kept: Filter, name: str, takes: bool) -> None:
    assert kept.takes(name) is takes
