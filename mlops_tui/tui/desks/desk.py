"""What the app can ask for, and the states that the answers are folded into. Knows no Textual.

Requests belong to the desk, not to a screen: they go on when screens change.

    desk.open({"cloud": "sandbox"})                 then desk.setup.look() by itself
    desk.setup.state.steps["cluster"].state         "will change"
    desk.setup.apply(["cluster"])
    desk.training.launch([{"alpha": 0.5, "l1_ratio": 0.5}]).rows
    desk.delivery.build("17")
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

from mlops_tui.events import (
    Choice,
    ChoicesRead,
    Event,
    LogLine,
    Problem,
    SettingsRead,
    SettingValue,
    SignIn,
    SignInsFound,
)
from mlops_tui.run_parameters import Parameters
from mlops_tui.tui.connection import Connection, Request
from mlops_tui.tui.desks.delivery import DeliveryDesk
from mlops_tui.tui.desks.line import Line, Notice, Topic
from mlops_tui.tui.desks.pipelines import PipelinesDesk
from mlops_tui.tui.desks.setup import SetupDesk
from mlops_tui.tui.desks.training import TrainingDesk
from mlops_tui.tui.words.pipelines import run_words

WAIT_SECONDS = 0.1  # between two looks at what is still running, while everything is being ended


class Desk:
    """One cloud chosen, one connection, and what is known of both. `logs` is a folder for the log lines of runs."""

    def __init__(
        self,
        connection: Connection,
        logs: Path,
        changed: Callable[[Topic], None],
        told: Callable[[Notice], None],
        flags: Mapping[str, str] | None = None,
    ) -> None:
        self.given = dict(flags or {})  # on the command line: they count whatever cloud is chosen
        self.line = Line(connection, changed, told, dict(self.given))
        self.logs = logs
        self._begin_anew()
        self.opened = False
        self._opening: Request | None = None
        self.settings: dict[str, SettingValue] = {}
        self.settings_file = ""
        self.project_runs: tuple[Parameters, ...] = ()  # that a training launches, where nobody says otherwise
        self.sign_ins: tuple[SignIn, ...] | None = None  # None: not looked yet
        self.choices: dict[str, tuple[Choice, ...]] = {}  # pick lists by setting, filled when first asked for
        self.choice_problems: dict[str, str] = {}
        connection.on_stray = self._stray

    @property
    def busy(self) -> list[str]:
        """What would notice that the app ends, in words; empty: nothing runs."""
        return [*filter(None, [self.setup.busy]), *self.training.busy, *self.delivery.busy, *self.pipelines.busy]

    @property
    def left_behind(self) -> str:
        """What to say on the terminal when the app ends while something runs: what goes on, and how to come back."""
        lines = []
        if self.setup.busy:
            lines.append("Setup finishes the step in hand and then stops; start mlops-tui again to go on with it.")
        for sweep in self.training.state.running:
            lines.append(f"Job run {sweep.job_run or '(just starting)'} goes on in the cloud.")
            if sweep.job_run:
                lines.append(f"Come back to it: start mlops-tui again, or `mlops-tui logs {sweep.job_run} --follow`.")
        if self.delivery.busy:
            lines.append(
                "What the cloud does for the delivery goes on there; start mlops-tui again to see how far it is."
            )
        for row in self.pipelines.own:
            lines.append(f"Pipeline {run_words(row.run)} goes on at {self.pipelines.state.host or 'its host'}.")
            lines.append(f"Come back to it: start mlops-tui again, or `mlops-tui ci logs {row.run.id} --follow`.")
        return "\n".join(lines)

    @property
    def has_ci_host(self) -> bool:
        """Somebody has chosen where repository and pipeline are."""
        host = self.settings.get("ci_host")
        return host is not None and host.value not in ("", "none")

    def find_sign_ins(self) -> Request:
        """Look for ways into a cloud on this machine."""

        def fold(event: Event) -> None:
            if isinstance(event, SignInsFound):
                self.sign_ins = event.sign_ins
                self.line.changed("opening")

        def ended(_: int) -> None:
            self.sign_ins = self.sign_ins or ()  # nobody waits for an answer that does not come
            self.line.changed("opening")

        return self.line.ask("sign_ins", fold, ended)

    def open(self, chosen: Mapping[str, str]) -> Request:
        """Choose a cloud: start it if it is the practice cloud, read settings and steps, then look at what is there.

        What was set for the cloud before does not count for this one. Nothing chosen: the same cloud once more.
        """
        if chosen:
            self.line.flags = {**self.given, **chosen}
        self._begin_anew()
        self.choices, self.choice_problems, self.opened = {}, {}, False
        self.setup.state.begin("looking")
        setup = self.setup

        def fold(event: Event) -> None:
            if setup is self.setup:  # else another cloud has been chosen meanwhile
                self._fold(event)

        def ended(exit_code: int) -> None:
            setup.state.end()
            if setup is self.setup and exit_code == 0:
                self.opened = True
                self.setup.look()
                self.training.find_sweeps()
                if self.has_ci_host:
                    self.pipelines.list_runs()
            self.line.changed("setup")

        self._opening = self.line.ask("open", fold, ended)
        self.line.changed("setup")
        return self._opening

    def leave_cloud(self) -> None:
        """Stop looking at this cloud: another will be chosen. To be asked for where nothing runs."""
        if self._opening is not None:
            self.line.connection.cancel(self._opening)
        self.setup.stop()
        self._begin_anew()
        self.opened = False

    def set_settings(self, values: Mapping[str, str]) -> Request:
        """Use these from now on; the commands by hand follow them, and the plan on show is for others now."""
        self.line.flags |= values
        self.setup.state.plan_id = ""
        return self.line.ask("describe", self._fold)

    def save_settings(self, values: Mapping[str, str]) -> Request:
        """Write them into mlops.toml."""

        def saved(exit_code: int) -> None:
            if exit_code == 0:
                self.line.told(Notice("Saved", f"{', '.join(values)}: written to {self.settings_file}.", rings=False))

        return self.line.ask("save_settings", self._fold, saved, values=dict(values))

    def list_choices(self, setting: str) -> Request:
        """Fill the pick list of a setting from the cloud."""

        def fold(event: Event) -> None:
            if isinstance(event, ChoicesRead):
                self.choices[setting] = event.choices
                self.choice_problems.pop(setting, None)
            elif isinstance(event, Problem):
                self.choice_problems[setting] = event.error.message
            self.line.changed("settings")

        return self.line.ask("choices", fold, setting=setting)

    async def end_all(self) -> None:
        """End everything that runs, in the cloud, too; returns when it has ended. Bounded by whoever waits."""
        self.setup.stop()
        self.delivery.end()
        asked: set[str] = set()
        while self.busy:
            for row in self.pipelines.own:
                if not row.ending:
                    self.pipelines.cancel(row.run.id)
            for sweep in self.training.state.running:  # one that is just starting gets its number in a moment
                if sweep.job_run and sweep.job_run not in asked:
                    asked.add(sweep.job_run)
                    self.training.end_run(sweep.job_run)
            await asyncio.sleep(WAIT_SECONDS)

    def close(self) -> None:
        """The worker finishes the write in hand; what runs in the cloud goes on."""
        self.line.connection.close()

    def _begin_anew(self) -> None:
        """Nothing is known of the cloud yet."""
        self.setup, self.training = SetupDesk(self.line), TrainingDesk(self.line, self.logs)
        self.delivery = DeliveryDesk(self.line, self.logs, self.training.history)
        self.pipelines = PipelinesDesk(self.line, self.logs, self._pipeline_over)

    def _pipeline_over(self) -> None:
        """It has trained and delivered: whoever has looked at that before looks again."""
        if self.training.state.listed and not self.training.state.listing:
            self.training.list_runs()
        if self.delivery.state.read:
            self.delivery.read()

    def _fold(self, event: Event) -> None:
        if isinstance(event, SettingsRead):
            self.settings = {value.name: value for value in event.values}
            self.settings_file, self.project_runs = event.file, event.runs
            self.line.changed("settings")
        self.setup.fold(event)

    def _stray(self, event: Event) -> None:
        """What signing in takes: told at once, and kept in the log of setup."""
        if isinstance(event, LogLine):
            self.setup.fold(event)
            self.line.told(Notice("Sign in", event.text, "warning"))
