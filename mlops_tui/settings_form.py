"""The settings and the steps as a form shows them: what is given, what is wrong with it, what each step is about."""

from __future__ import annotations

from collections.abc import Iterable

from mlops_tui.errors import UsageError
from mlops_tui.events import SettingsRead, SettingValue, StepDescription, StepsDescribed
from mlops_tui.project import Look, Project
from mlops_tui.settings import SETTINGS, Entry, Problem, Setting, plain
from mlops_tui.steps import Step

GIVEN = "(set)"  # in place of a secret


def settings_read(looked: Look) -> SettingsRead:
    """Every setting in the order of the table. What cannot be used is shown as it was given, with the reason."""
    values = tuple(_value(setting, looked) for setting in SETTINGS)
    file = str(looked.path.absolute()) if looked.path else ""
    return SettingsRead(file=file, values=values, runs=looked.project.training.runs)


def describe(steps: Iterable[Step], project: Project) -> StepsDescribed:
    return StepsDescribed(
        steps=tuple(
            StepDescription(
                name=step.name,
                title=step.title,
                about=step.about,
                link=step.link,
                needs=step.needs,
                settings=step.settings,
                by_hand=_by_hand(step, project),
            )
            for step in steps
        )
    )


def _value(setting: Setting, looked: Look) -> SettingValue:
    entry = looked.resolved.entries[setting.name]
    return SettingValue(
        name=setting.name,
        key=setting.key,
        value=_shown(entry),
        origin=entry.source,
        help=setting.help,
        type=setting.type,
        default=plain(setting.default),
        choices=setting.choices,
        secret=setting.secret,
        flag=setting.flag,
        variables=setting.variables,
        problem="; ".join(_told(problem, entry) for problem in looked.problems if problem.key == setting.key),
    )


def _shown(entry: Entry) -> str:
    if entry.secret:
        return GIVEN if entry.value else ""
    return entry.refused or plain(entry.value)


def _told(problem: Problem, entry: Entry) -> str:
    """The reason; with its place where something stronger than the bad value counts."""
    at_the_value = problem.where == entry.source.replace(" line ", ":")
    return problem.reason if at_the_value else f"{problem.where}: {problem.reason}"


def _by_hand(step: Step, project: Project) -> str:
    """A step that cannot tell yet says what it lacks."""
    try:
        return step.by_hand(project)
    except UsageError as error:
        return f"# {error.message} {error.hint}".rstrip()
