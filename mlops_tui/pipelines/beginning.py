"""The files of a new project: its settings and, where it has a host for one, its pipeline."""

from __future__ import annotations

from pathlib import Path

from mlops_tui import project_file
from mlops_tui.pipelines.files import pipeline_file
from mlops_tui.project import look_at
from mlops_tui.settings_saving import written


def begin(folder: Path, template: str, ci_host: str | None, force: bool) -> tuple[Path, ...]:
    """Write them and return their paths; none of them is written where one cannot be.

    Raises UsageError as `project_file.write_new`.
    """
    text = project_file.template(template)
    if ci_host:
        text = written(text, {"ci_host": ci_host})
    texts = {project_file.NAME: text}
    project = look_at(project_file.parse(Path(project_file.NAME), text), {}, {}).project
    if pipeline := pipeline_file(project):
        texts[pipeline.path] = pipeline.text
    project_file.write_new(folder, texts, force)
    return tuple(folder / path for path in texts)
