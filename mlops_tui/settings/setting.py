"""What a setting is: one scalar of a `Project`, with its key, variables, flag, default and rule."""

from __future__ import annotations

from dataclasses import dataclass

from mlops_tui.settings import rules

Value = str | int | float
AMBIENT = ("ARM_", "AZURE_")  # what Terraform and databricks-sdk read; what azure-identity reads
CONNECTION = "AZURESUBSCRIPTION_"  # how Azure Pipelines' AzureCLI@2 tells of its service connection


@dataclass(frozen=True)
class Setting:
    """One scalar of a `Project`."""

    name: str  # "resource_group", "cluster_node_type"; the flag and our own variable are made from it
    key: str  # where it stands in mlops.toml: "azure.resource_group"
    help: str
    default: Value = ""  # its type is the setting's type; empty text: not given
    rule: rules.Rule = rules.word
    choices: tuple[str, ...] = ()
    also: tuple[str, ...] = ()  # variables that other tools read for the same thing
    secret: bool = False
    place: str = ""  # where it stands in a Project, if not under its name: "training.gate.threshold"

    @property
    def attribute(self) -> str:
        return self.place or self.name

    @property
    def flag(self) -> str:
        """Empty for a secret: what stands on a command line can be read by every process."""
        return "" if self.secret else f"--{self.name.replace('_', '-')}"

    @property
    def variables(self) -> tuple[str, ...]:
        """Our own first."""
        return (f"MLOPS_TUI_{self.name.upper()}", *self.also)

    @property
    def type(self) -> str:
        if self.choices:
            return "choice"
        return type(self.default).__name__


def named(ending: str) -> tuple[str, ...]:
    return tuple(prefix + ending for prefix in AMBIENT)
