"""A job on GitHub while it runs: contexts, environment, the files by which steps speak (GitHub, "Workflow commands").

actions/runner is the source of what goes where: StepsRunner, FileCommandManager, ActionCommandManager.
"""

from __future__ import annotations

import platform
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlops_tui.sandbox.pipelines import github_commands, github_results
from mlops_tui.sandbox.pipelines.expressions import Function
from mlops_tui.sandbox.pipelines.github_expressions import Evaluator
from mlops_tui.sandbox.pipelines.job_context import JobContext, JobOrder, StepReport
from mlops_tui.sandbox.pipelines.masks import sensitive
from mlops_tui.sandbox.pipelines.plan import Step

FILES = {"env": "GITHUB_ENV", "output": "GITHUB_OUTPUT", "path": "GITHUB_PATH", "step_summary": "GITHUB_STEP_SUMMARY"}
SHELLS = {
    "": ["bash", "-e"],
    "bash": ["bash", "--noprofile", "--norc", "-eo", "pipefail"],
    "sh": ["sh", "-e"],
    "python": ["python"],
}
SUMMARY_LIMIT = 1024**2  # bytes of one step


class GitHubJob(JobContext):
    usual_minutes = 360

    def __init__(self, order: JobOrder) -> None:
        side, run, row = order.side, order.run, order.row
        super().__init__(order, side.secrets(run, row))
        self.facts = {**side.facts(run, row), **self._own_facts()}
        self.masks.add(*sensitive(self.facts))
        self._contexts: dict[str, Any] = {
            **github_results.contexts(run, order.job, order.plan, self.facts, side.variables(run, row)),
            "secrets": self.secrets,
            "steps": {},
            "runner": _below("RUNNER_", self.facts),
        }
        self._contexts["github"] |= {"token": self.secrets.get("GITHUB_TOKEN", "")}
        self.commands = github_commands.Commands()
        self._files: dict[str, Path] = {}
        self.env: dict[str, str] = {}
        for name, written in (*order.plan.variables, *order.job.variables):
            self.env[name] = self.text(written)

    def _own_facts(self) -> dict[str, str]:
        machine = self.order.machine
        return {
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_WORKSPACE": str(machine.sources),
            "RUNNER_ARCH": "ARM64" if platform.machine().lower() in ("arm64", "aarch64") else "X64",
            "RUNNER_ENVIRONMENT": "github-hosted",
            "RUNNER_NAME": "practice cloud",
            "RUNNER_OS": "macOS" if platform.system() == "Darwin" else "Linux",
            "RUNNER_TEMP": str(machine.temp),
            "RUNNER_TOOL_CACHE": str(machine.tools),
        }

    def _evaluator(self, env: Mapping[str, str]) -> Evaluator:
        status = "cancelled" if self.canceled else "failure" if self.failed else "success"
        functions: dict[str, Function] = {
            "success": lambda: status == "success",
            "failure": lambda: status == "failure",
            "cancelled": lambda: self.canceled,
            "always": lambda: True,
            "hashfiles": lambda *patterns: github_results.hash_files(self.order.machine.sources, patterns),
        }
        return Evaluator({**self._contexts, "env": env, "job": {"status": status}}, functions)

    def text(self, written: str) -> str:
        return self._evaluator(self.env).text(written)

    def _step_env(self, step: Step) -> dict[str, str]:
        found = dict(self.env)
        for name, written in step.env.items():
            found[name] = self._evaluator(found).text(written)
        return found

    def title(self, step: Step) -> str:
        return self.text(step.title)

    def wants(self, step: Step) -> bool:
        return self._evaluator(self._step_env(step)).holds(step.condition)

    def environment(self, step: Step) -> dict[str, str]:
        return {
            **self.facts,
            "GITHUB_ACTION": step.name or "__run",
            **{variable: str(self._files[name]) for name, variable in FILES.items() if name in self._files},
            **self._step_env(step),
        }

    def begin(self, step: Step, report: StepReport) -> None:
        folder = self.order.machine.temp / "_runner_file_commands"
        folder.mkdir(exist_ok=True, mode=0o700)
        self._contexts["steps"].setdefault(step.name, {"outputs": {}, "outcome": "", "conclusion": ""})
        for name in FILES:
            self._files[name] = folder / f"{name}_{uuid.uuid4()}"
            self._files[name].touch(mode=0o600)
        self._tell(step, report)

    def _tell(self, step: Step, report: StepReport) -> None:
        """What is about to run, as GitHub's log begins a step."""
        given = {name: self.text(value) for name, value in step.inputs.items() if value}
        script = given.pop("script", "")
        report.say(f"##[group]{self.text(step.usual_title)}")
        if step.action == "run":
            report.say(script.rstrip())
            report.say(f"shell: {' '.join(SHELLS[step.inputs['shell']])} {{0}}")
        for line in ["with:", *(f"  {name}: {value}" for name, value in given.items())] if given and not script else []:
            report.say(line)
        env = self._step_env(step)
        for line in ["env:", *(f"  {name}: {value}" for name, value in env.items())] if env else []:
            report.say(line)
        report.say("##[endgroup]")

    def hear(self, line: str, step: Step, report: StepReport) -> None:
        self.commands.hear(line, report, self.masks)

    def end(self, step: Step, report: StepReport) -> None:
        self.commands.end()
        for name, obey in (("env", self._take_env), ("output", self._take_output)):
            try:
                for key, value in github_commands.assignments(self._files[name].read_text("utf-8", "replace")):
                    obey(step, key, value)
            except (OSError, ValueError) as error:
                report.error(f"Unable to process file command '{name}' successfully.\n{error}")
                report.verdict = "failed"
        self._take_rest(report)

    def _take_env(self, step: Step, name: str, value: str) -> None:
        if name.upper() == "NODE_OPTIONS":
            raise ValueError("Can't store NODE_OPTIONS output parameter using '$GITHUB_ENV' command.")
        self.env[name] = value

    def _take_output(self, step: Step, name: str, value: str) -> None:
        self.set_output(step, name, value)

    def _take_rest(self, report: StepReport) -> None:
        path, summary = self._files["path"], self._files["step_summary"]
        if path.exists():
            self.paths += [line for line in path.read_text("utf-8", "replace").splitlines() if line]
        if not summary.exists() or not summary.stat().st_size:
            return
        if summary.stat().st_size > SUMMARY_LIMIT:
            report.error("$GITHUB_STEP_SUMMARY upload aborted, supports content up to a size of 1024k.")
            return
        report.summary(summary.read_text("utf-8", "replace"))

    def set_output(self, step: Step, name: str, value: str) -> None:
        self._contexts["steps"][step.name]["outputs"][name] = value

    def ended(self, step: Step, result: str, forgiven: bool) -> None:
        row = self._contexts["steps"].setdefault(step.name, {"outputs": {}})
        outcome = github_results.NAMES[result]
        row |= {"outcome": outcome, "conclusion": "success" if forgiven else outcome}

    def outputs(self, report: StepReport) -> dict[str, str]:
        found = {}
        for name, written in self.order.job.outputs.items():
            value = self.text(written)
            if not self.masks.shows(value):
                report.warning(f"Skip output '{name}' since it may contain secret.")
            elif value:
                found[name] = value
        return found

    def command(self, step: Step, script: Path) -> list[str]:
        return [*SHELLS[step.inputs.get("shell", "")], str(script)]

    def exit_message(self, step: Step, code: int) -> str:
        return f"Process completed with exit code {code}."

    def destination(self, path: str) -> Path:
        return self.order.machine.sources / path


def _below(prefix: str, facts: Mapping[str, str]) -> dict[str, str]:
    return {name.removeprefix(prefix).lower(): value for name, value in facts.items() if name.startswith(prefix)}
