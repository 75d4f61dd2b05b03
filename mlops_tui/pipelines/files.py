"""The pipeline's file, as the project's host takes it: rendered from the templates in `ci/`.

A template is the file itself with places to fill in. `__NAME__` is a value; on a line of its own, alone or as
`- __NAME__: command`, it is one of the pieces that stand below the file: `#: NAME`, or `#: NAME federated` where it
depends on how the pipeline signs in, `#: NAME workspace` where it does on where jobs take their notebooks from. A piece
may hold others.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mlops_tui import __version__
from mlops_tui.errors import UsageError
from mlops_tui.pipelines.names import connection_name, environment_name

if TYPE_CHECKING:
    from mlops_tui.project import Project

HOSTED = "ubuntu-24.04"  # the host's own machines: an image of Azure Pipelines, a label of GitHub
# Host -> the template, and where the file stands in the repository.
PLACES = {
    "azure-devops": ("azure-pipelines.yml", "azure-pipelines.yml"),
    "github": ("github-workflow.yml", ".github/workflows/mlops.yml"),
}
_PIECE = re.compile(r"(?m)^#: (\w+)(?: (\w+))?\n")
_PLACE = re.compile(r"(?m)^( *)(?:- )?__([A-Z_]+)__(?:: (.*))?\n")
_VALUE = re.compile(r"__([A-Z_]+)__")
_DEPTH = 2  # pieces that hold pieces
_EMPTY = re.compile(r"(?m)^( *)env:\n(?!\1 )")  # nothing was put below
# What YAML 1.1 reads as text without quotes: it starts with a letter, and is no word for true, false or nothing.
_PLAIN = re.compile(r"(?i)(?!(?:true|false|yes|no|on|off|null|y|n)$)[a-z][a-z0-9_./-]*")


@dataclass(frozen=True)
class PipelineFile:
    path: str  # in the repository
    text: str


def pipeline_file(project: Project) -> PipelineFile | None:
    """None without a CI host. Raises UsageError for a name that would not be taken as it stands."""
    if project.ci.host == "none":
        return None
    template, path = PLACES[project.ci.host]
    return PipelineFile(path, _rendered(_template(template), project))


def _template(name: str) -> str:
    package = Path(__file__).resolve().parent.parent
    # In a checkout they stand at the top of the tree; a wheel carries them inside the package.
    places = (package / "ci" / name, package.parent / "ci" / name)
    return next((place for place in places if place.is_file()), places[0]).read_text("utf-8")


def _rendered(template: str, project: Project) -> str:
    body, pieces = _pieces(template, (None, project.ci.authentication, project.notebook_source))

    def fill(place: re.Match[str]) -> str:
        indentation, name, command = place.groups()
        if name not in pieces:
            return place[0]
        piece = pieces[name].replace("__COMMAND__", command or "")
        return "".join(f"{indentation}{line}\n" for line in piece.splitlines())

    for _ in range(_DEPTH):
        body = _PLACE.sub(fill, body)
    text = _EMPTY.sub("", body)
    values = _values(project)
    return _VALUE.sub(lambda place: values[place[1]], text)


def _pieces(template: str, ways: tuple[str | None, ...]) -> tuple[str, Mapping[str, str]]:
    """The file, and by name the pieces for these ways; what only other ways have is empty."""
    body, *parts = _PIECE.split(template)
    pieces: dict[str, str] = {}
    for name, way, text in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
        pieces.setdefault(name, "")
        if way in ways:
            pieces[name] = text.strip("\n")
    return body.rstrip("\n") + "\n", pieces


def _values(project: Project) -> dict[str, str]:
    ci = project.ci
    on_github = ci.host == "github"
    own_pool = f"name: {_scalar(ci.pool)}" if ci.pool else f"vmImage: {HOSTED}"
    return {
        "PROJECT": project.name,
        "WORKFLOW": _scalar(project.name),
        "VERSION": __version__,
        "BRANCH": _scalar(_branch_pattern(ci.branch) if on_github else ci.branch),
        "POOL": _scalar(ci.pool or HOSTED) if on_github else own_pool,
        "TRAINING": _scalar(environment_name(project, "training")),
        "STAGING": _scalar(environment_name(project, "staging")),
        "PRODUCTION": _scalar(environment_name(project, "production")),
        "CONNECTION": _scalar(connection_name(project)),
    }


def _branch_pattern(branch: str) -> str:
    """GitHub's filters are patterns ("Workflow syntax", filter pattern cheat sheet); these signs a branch may have."""
    return re.sub(r"([+!\]])", r"\\\1", branch)


def _scalar(text: str) -> str:
    """As YAML writes it. Raises UsageError for what both hosts would take as an expression."""
    if "${{" in text:
        raise UsageError(f"{text!r} cannot stand in a pipeline's file: ${{{{ begins an expression there.")
    return text if _PLAIN.fullmatch(text) else "'" + text.replace("'", "''") + "'"
