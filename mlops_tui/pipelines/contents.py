"""What the project's repository begins with: its notebooks, its settings, its pipeline."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from pathlib import Path

from mlops_tui import project_file
from mlops_tui.errors import UsageError
from mlops_tui.pipelines.files import pipeline_file
from mlops_tui.project import Project, look_at
from mlops_tui.redaction import redact
from mlops_tui.settings import SETTINGS, Value
from mlops_tui.settings_saving import written

NOTEBOOKS = "notebooks"  # the folder
IGNORED = "# What commands leave behind.\n__pycache__/\n.venv/\n/drop/\n/out/\n/verdict/\n"
# How somebody signs in, and where their notebooks are, is theirs alone.
PERSONAL = frozenset({"sign_in", "client_id", "federated_token_file", "notebooks"})
IN_PIPELINES = ("auto", "environment", "federated")  # ways of signing in


def contents(project: Project, file: Path | None, tenant_id: str, subscription_id: str) -> Mapping[str, bytes]:
    """Path in the repository -> content. `file` is the project's own, if it has one.

    Raises UsageError where something cannot be read, or holds a secret.
    """
    found: dict[str, bytes] = {}
    for notebook in sorted(project_file.notebook_source(project.notebooks).glob("*.py")):
        found[f"{NOTEBOOKS}/{notebook.name}"] = _read(notebook)
    ids = {"tenant_id": tenant_id, "subscription_id": subscription_id}
    found[project_file.NAME] = settings_text(project, file, ids).encode()
    if pipeline := pipeline_file(project):
        found[pipeline.path] = pipeline.text.encode()
    found[".gitignore"] = IGNORED.encode()
    for path, content in found.items():
        _refuse_secrets(path, content)
    return found


def settings_text(project: Project, file: Path | None, ids: Mapping[str, str]) -> str:
    """The project's file as it stands, else the template; with what else counts for this project (flags, variables)
    written in, so that a pipeline means the same. Raises UsageError."""
    text = _text(file) if file else project_file.template("wine-quality")
    as_written = look_at(project_file.parse(Path(project_file.NAME), text), {}, {}).project
    values: dict[str, Value] = {}
    for setting in SETTINGS:
        counts = operator.attrgetter(setting.attribute)
        if not setting.secret and setting.name not in PERSONAL and counts(project) != counts(as_written):
            values[setting.name] = counts(project)
    if as_written.sign_in not in IN_PIPELINES:
        values["sign_in"] = "auto"
    known = {name: value for name, value in ids.items() if value}
    return written(text, {**values, **known, "notebooks": NOTEBOOKS})


def _text(file: Path) -> str:
    try:
        return project_file.text_of(file)
    except (OSError, ValueError) as error:
        raise _unreadable(file, error) from error


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise _unreadable(file, error) from error


def _unreadable(file: Path, error: Exception) -> UsageError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return UsageError(f"{file} cannot be read: {reason}.", hint="Mend it, or take it out of the project.")


def _refuse_secrets(path: str, content: bytes) -> None:
    """What everybody who may read the repository would read."""
    text = content.decode("utf-8", "replace")
    lines = zip(text.splitlines(), redact(text).splitlines(), strict=False)
    number = next((number for number, (line, shown) in enumerate(lines, 1) if line != shown), 0)
    if number:
        raise UsageError(
            f"{path} would bring a secret into the repository.",
            problems=(f"{path}:{number}: holds a secret",),
            hint="Take it out of the file; secrets come from variables. Nothing was pushed.",
        )
