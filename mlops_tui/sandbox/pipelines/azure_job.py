"""A job on Azure Pipelines while it runs: variables, environment, what its log says around a step.

Microsoft, "Use predefined variables"; the agent's own folders are named as microsoft/azure-pipelines-agent names them.
"""

from __future__ import annotations

import platform
from collections.abc import Callable
from pathlib import Path

from mlops_tui.sandbox.pipelines import azure_commands, azure_results
from mlops_tui.sandbox.pipelines.azure_commands import Command, CommandError, Desk
from mlops_tui.sandbox.pipelines.azure_expressions import Evaluator
from mlops_tui.sandbox.pipelines.azure_variables import Variables
from mlops_tui.sandbox.pipelines.expressions import Function
from mlops_tui.sandbox.pipelines.job_context import JobContext, JobOrder, StepReport
from mlops_tui.sandbox.pipelines.masks import sensitive
from mlops_tui.sandbox.pipelines.plan import Step

READ_ONLY = "https://github.com/microsoft/azure-pipelines-yaml/blob/master/design/readonly-variables.md"


class AzureJob(JobContext):
    usual_minutes = 60

    def __init__(self, order: JobOrder, rename: Callable[[str], None]) -> None:
        side, run, row = order.side, order.run, order.row
        super().__init__(order, side.secrets(run, row))
        facts = {**side.facts(run, row), **self._own_facts()}
        self.masks.add(*sensitive(facts))
        self.variables = Variables(facts, side.variables(run, row))
        self._contexts = azure_results.for_job(run, order.stage)
        for written in (order.plan.variables, order.stage.variables, order.job.variables):
            self.variables.add(written, self._contexts)
        for name, value in self.secrets.items():
            self.variables.set(name, value, secret=True)
        self._outputs: dict[str, str] = {}
        self._step: Step | None = None
        self._desk = Desk(self._set_variable, self._hide, self.paths.append, rename)

    def _own_facts(self) -> dict[str, str]:
        machine, order = self.order.machine, self.order
        return {
            "TF_BUILD": "True",
            "AGENT_BUILDDIRECTORY": str(machine.workspace),
            "AGENT_HOMEDIRECTORY": str(machine.root),
            "AGENT_JOBNAME": order.job.title,
            "AGENT_NAME": "practice cloud",
            "AGENT_OS": platform.system(),
            "AGENT_OSARCHITECTURE": "ARM64" if platform.machine().lower() in ("arm64", "aarch64") else "X64",
            "AGENT_TEMPDIRECTORY": str(machine.temp),
            "AGENT_TOOLSDIRECTORY": str(machine.tools),
            "AGENT_WORKFOLDER": str(machine.workspace.parent),
            "BUILD_ARTIFACTSTAGINGDIRECTORY": str(machine.workspace / "a"),
            "BUILD_BINARIESDIRECTORY": str(machine.workspace / "b"),
            "BUILD_REPOSITORY_LOCALPATH": str(machine.sources),
            "BUILD_SOURCESDIRECTORY": str(machine.sources),
            "BUILD_STAGINGDIRECTORY": str(machine.workspace / "a"),
            "PIPELINE_WORKSPACE": str(machine.workspace),
            "SYSTEM_DEFAULTWORKINGDIRECTORY": str(machine.sources),
            "SYSTEM_JOBNAME": order.job.name,
            "SYSTEM_STAGEDISPLAYNAME": order.stage.title,
            "SYSTEM_STAGENAME": order.stage.name,
            **({"ENVIRONMENT_NAME": order.row["environment"]} if order.row["environment"] else {}),
        }

    def text(self, written: str) -> str:
        return self.variables.text(written)

    def title(self, step: Step) -> str:
        if step.action == "checkout" and not step.title:
            run = self.order.run
            return f"Checkout {run['owner'].rpartition('/')[2]}@{run['branch']} to s"
        return self.text(step.title)

    def wants(self, step: Step) -> bool:
        functions: dict[str, Function] = {
            "always": lambda: True,
            "canceled": lambda: self.canceled,
            "failed": lambda: self.failed and not self.canceled,
            "succeeded": lambda: not self.failed and not self.canceled,
            "succeededorfailed": lambda: not self.canceled,
        }
        return Evaluator({**self._contexts, "variables": self.variables.values()}, functions).holds(step.condition)

    def environment(self, step: Step) -> dict[str, str]:
        found = self.variables.environment()
        found["AGENT_JOBSTATUS"] = "Canceled" if self.canceled else "Failed" if self.failed else "Succeeded"
        found |= {name: self.text(value) for name, value in step.env.items()}
        if step.action == "azure-cli":
            connection = self.order.side.connection(
                self.order.run, self.order.row, self.text(step.inputs["connection"])
            )
            self.masks.add(*sensitive(connection))
            found |= connection
        return found

    def begin(self, step: Step, report: StepReport) -> None:
        self._step = step
        if step.action == "set-up":
            for name in ("a", "b"):
                (self.order.machine.workspace / name).mkdir(exist_ok=True, mode=0o700)
        report.say(f"##[section]Starting: {self.title(step)}")
        if step.action in ("run", "azure-cli"):
            report.say("Script contents:")
            report.say(self.text(step.inputs["script"]).rstrip())
            report.say("========================== Starting Command Output ===========================")

    def hear(self, line: str, step: Step, report: StepReport) -> None:
        azure_commands.hear(line, report, self._desk)

    def end(self, step: Step, report: StepReport) -> None:
        report.say(f"##[section]Finishing: {self.title(step)}")

    def ended(self, step: Step, result: str, forgiven: bool) -> None:
        self._step = None

    def outputs(self, report: StepReport) -> dict[str, str]:
        return {name: value for name, value in self._outputs.items() if self.masks.shows(value)}

    def _hide(self, value: str) -> None:
        self.masks.add(value)

    def _set_variable(self, command: Command) -> None:
        name = command.properties.get("variable", "")
        if not name:
            raise CommandError("Required field 'variable' is missing in ##vso[task.setvariable] command.")
        is_secret, is_output = command.flag("issecret"), command.flag("isoutput")
        if is_secret:
            self.masks.add(command.data)
        found = self.variables.find(name)
        if found and found.fixed:
            raise CommandError(f"Overwriting readonly variable '{name}' is not permitted. See {READ_ONLY} for details.")
        if is_output and self._step and self._step.name:
            name = f"{self._step.name}.{name}"
            if not is_secret:
                self._outputs[name] = command.data
        self.variables.set(name, command.data, is_secret, fixed=is_output or command.flag("isreadonly"))

    def set_output(self, step: Step, name: str, value: str) -> None:
        if name:
            self.variables.set(name, value)

    def command(self, step: Step, script: Path) -> list[str]:
        return ["bash", "--noprofile", "--norc", str(script)]

    def exit_message(self, step: Step, code: int) -> str:
        if step.action == "azure-cli":
            return f"Script failed with exit code: {code}"
        return f"Bash exited with code '{code}'."

    def destination(self, path: str) -> Path:
        return self.order.machine.workspace / path
