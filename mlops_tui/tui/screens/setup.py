"""Setup: from an empty subscription to a workspace that can train, step by step or all at once."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.timer import Timer
from textual.widgets import LoadingIndicator, Static, TabbedContent

from mlops_tui.tui.desks.line import Severity, Topic
from mlops_tui.tui.dialogs.confirm_apply import ConfirmApply
from mlops_tui.tui.dialogs.confirm_teardown import ConfirmTeardown
from mlops_tui.tui.screens.section import Section
from mlops_tui.tui.screens.setup_settings import SettingsActions
from mlops_tui.tui.state.setup import SetupState, StepRow
from mlops_tui.tui.widgets.error_card import WEB, ErrorCardView
from mlops_tui.tui.widgets.settings_form import SettingsForm
from mlops_tui.tui.widgets.setup_status import SetupStatus
from mlops_tui.tui.widgets.step_list import StepList
from mlops_tui.tui.widgets.step_tabs import StepTabs
from mlops_tui.tui.words.plain import plain
from mlops_tui.tui.words.setup import DONE, titles, unwanted_words

TICK_SECONDS = 0.5  # between two looks at the clock while something runs

HELP = """\
# Setup

Training a model in Azure needs a few things to be there first: a *resource group* (a folder for everything that
belongs together), a *Databricks workspace* (where notebooks run), a *service principal* (an account for programs),
a place for its *secrets*, the *notebooks*, a *cluster* (the machines) and a *job* (what runs the notebooks).
Where you choose a *CI host* (Azure DevOps or GitHub: the setting ci host of the step with the repository), also a
*repository*, a *Git folder* and a *pipeline*, which does training and delivery there (**5**).

On the left are the steps that make these things, in order; on the right is what can be said about the step in hand.
Nothing is made before you say so: first the app only *looks* and shows a *plan*.

- **Enter** applies the step in hand, **a** applies everything.
- **r** looks again: after an error, or when somebody has changed something in the cloud.
- **s** stops: what is in hand is finished, nothing more is begun. You can go on later; nothing is made twice.
- **[** and **]** go through the tabs, **n** and **p** through the steps, **Escape** goes back to the list.
- **y** copies the commands of *By hand* (or the error), **o** opens the page about the step in your browser.
- **D** takes everything down again, after a question.

Signs: ○ waiting · ◌ being looked at · ◆ will change · ● at work · ✔ as it should be · ▲ warning · ✖ failed · – skipped
"""


class SetupScreen(SettingsActions, Section):
    section = "setup"
    topics: ClassVar[tuple[Topic, ...]] = ("setup", "settings")
    help_text = HELP
    CSS_PATH = "../styles/setup.tcss"
    AUTO_FOCUS = "StepList"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "apply_all", "Apply all"),
        Binding("r", "look", "Look again"),
        Binding("s", "stop", "Stop"),
        Binding("n", "step(1)", "Next step", show=False),
        Binding("p", "step(-1)", "Previous step", show=False),
        Binding("right_square_bracket", "tab(1)", "Next tab", key_display="]", show=False),
        Binding("left_square_bracket", "tab(-1)", "Previous tab", key_display="[", show=False),
        Binding("right", "into", "To the step's tabs", show=False),
        Binding("escape", "back", "Back to the list of steps", show=False),
        Binding("y", "copy", "Copy the commands, or the error", show=False),
        Binding("o", "open_link", "Open the page about this step", show=False),
        Binding("D", "teardown", "Take everything down", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._tick = 0
        self._clock: Timer | None = None
        self._was_doing = ""
        self._keys: object = None  # what decides which keys there are

    def body(self) -> ComposeResult:
        with Horizontal(id="halves"):
            yield StepList()
            yield StepTabs()
            with Vertical(id="beginning"):
                yield ErrorCardView()
                yield LoadingIndicator()
                yield Static(markup=False, classes="said")
        yield SetupStatus()

    @property
    def state(self) -> SetupState:
        return self.desk.setup.state

    @property
    def row(self) -> StepRow | None:
        """The step in hand."""
        return self.state.steps.get(self.query_one(StepList).cursor)

    @property
    def practice(self) -> bool:
        cloud = self.desk.settings.get("cloud")
        return cloud is not None and cloud.value == "sandbox"

    def show(self) -> None:
        state = self.state
        self.query_one(StepList).show(state, self._tick)
        row = self.row
        self._show_status()
        self._show_beginning(row is None)
        if row is not None:
            self._show_row(row)
        self._keep_time(bool(state.doing))
        if state.doing != self._was_doing:
            if self._was_doing == "applying":
                self._point_at_failure()
            self._was_doing = state.doing
        keys = self.desk.setup.can_stop, bool(state.doing), state.ready
        if keys != self._keys:
            self._keys = keys
            self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "stop":
            return self.desk.setup.can_stop
        if action == "apply_all":
            return not self.state.doing and not self.state.ready
        if action == "look":
            return not self.state.doing
        return True

    def action_apply_all(self) -> None:
        if self.state.ready:
            self._say(DONE)
        elif not self.state.appliable:
            self._say("There is no plan to apply yet: press r to look at what is there.", "warning")
        elif not self.settings_left():
            rows = [row for row in self.state.steps.values() if row.pending]
            self.app.push_screen(ConfirmApply(rows, self._where(), self.practice), self._apply_all)

    def action_apply_step(self) -> None:
        """The step in hand, if what it needs is there; asks first where money or something existing is at stake."""
        row = self.row
        if row is None:
            return
        if reason := self._reason_against(row):
            self._say(reason, "warning" if row.pending else "information")
            return
        if self.settings_left():
            return
        weighty = any(change.cost or change.warning or change.action in ("replace", "remove") for change in row.pending)
        if weighty and not self.practice:
            self.app.push_screen(
                ConfirmApply([row], self._where(), self.practice),
                lambda yes: self._apply_step(row.name) if yes else None,
            )
        else:
            self._apply_step(row.name)

    def action_look(self) -> None:
        """Compare again; where not even the cloud could be opened, that comes first."""
        if self.state.doing:
            return
        if self.desk.opened:
            self.desk.setup.look()
        else:
            self.desk.open({})

    def action_stop(self) -> None:
        self.desk.setup.stop()
        self._say("Stopping: what is in hand is finished first.")

    def action_teardown(self) -> None:
        if self.state.doing:
            self._say("Wait until what is going on has ended, or press s to stop it.", "warning")
            return
        made = [plain(row.title) for row in self.state.steps.values() if row.description and row.description.needs]
        group, running = self._value("resource_group"), self.desk.training.busy
        dialog = ConfirmTeardown(made[::-1], group, self._where(), self.practice, running)
        self.app.push_screen(dialog, lambda yes: self._teardown() if yes else None)

    def action_step(self, by: int) -> None:
        self.query_one(StepList).action_move(by)

    def action_tab(self, by: int) -> None:
        self.query_one(StepTabs).turn(by)

    def action_into(self) -> None:
        self.query_one(StepTabs).focus_content()

    def action_back(self) -> None:
        self.query_one(StepList).focus()

    def action_copy(self) -> None:
        if self.row is None:
            self.query_one("#beginning").query_one(ErrorCardView).copy()
        else:
            self.query_one(StepTabs).copy()

    def action_open_link(self) -> None:
        row = self.row
        if row is not None and row.description and row.description.link.startswith(WEB):
            self.app.open_url(row.description.link)

    @on(StepList.Moved)
    @on(TabbedContent.TabActivated)
    def _other_view(self) -> None:
        row = self.row
        if row is not None:
            self._show_row(row)
            self._show_status()

    @on(StepList.Chosen)
    def _chosen(self) -> None:
        self.action_apply_step()

    def _show_row(self, row: StepRow) -> None:
        names = row.description.settings if row.description else ()
        values = [self.desk.settings[name] for name in names if name in self.desk.settings]
        self.query_one(StepTabs).show(self.state, row, values, self.desk.line.flags, self.practice)

    def _show_beginning(self, beginning: bool) -> None:
        """Before there is any step to show: what is going on, or why nothing is."""
        pane = self.query_one("#beginning")
        pane.display = beginning
        for half in (StepList, StepTabs):
            self.query_one(half).display = not beginning
        if beginning:
            state = self.state
            pane.query_one(ErrorCardView).show(state.problem)
            pane.query_one(LoadingIndicator).display = bool(state.doing)
            said = [plain(line.text) for line in state.general] or ["Getting ready …" if state.doing else ""]
            pane.query_one(".said", Static).update("\n".join(said[-12:]))
        elif self.focused is None and self.is_current:
            self.query_one(StepList).focus()

    def _keep_time(self, needed: bool) -> None:
        """Seconds are counted while something runs, and only then."""
        if needed and self._clock is None:
            self._clock = self.set_interval(TICK_SECONDS, self._count)
        elif not needed and self._clock is not None:
            self._clock.stop()
            self._clock = None

    def _count(self) -> None:
        self._tick += 1
        if self.is_current:
            self.show()

    def _point_at_failure(self) -> None:
        """What has failed is what one wants to read now; whoever is typing is left alone."""
        if self.state.failed and not self.query_one(SettingsForm).has_focus_within:
            self.query_one(StepList).go(self.state.failed[0].name)

    def _show_status(self) -> None:
        row = self.row
        can_apply = row is not None and not self._reason_against(row)
        self.query_one(SetupStatus).show(self.state, can_apply, self.desk.setup.can_stop, self._tick)

    def _reason_against(self, row: StepRow) -> str:
        """Why this step cannot be applied now; empty: it can."""
        state = self.state
        if state.doing:
            return "Wait until what is going on has ended, or press s to stop it."
        if row.unwanted:
            return unwanted_words(state, row)
        if state.ready:
            return DONE
        if not state.plan_id:
            return "There is no plan yet: press r to look at what is there."
        if not row.pending:
            return f"{plain(row.title)}: nothing to do, it is as it should be."
        unmet = state.unmet(row.name)
        if unmet:
            return f"{plain(row.title)} needs first: {titles(unmet)}. Or press a to apply everything."
        return ""

    def _apply_all(self, yes: bool | None) -> None:
        if yes and self.state.appliable:
            self.desk.setup.apply()

    def _apply_step(self, name: str) -> None:
        if self.state.appliable:
            self.desk.setup.apply([name])

    def _teardown(self) -> None:
        if not self.state.doing:
            self.desk.setup.teardown()

    def _where(self) -> str:
        if self.practice:
            return "the practice cloud"
        subscription = self._value("subscription_id")
        cloud = self._value("cloud") or "the cloud"
        return f"{cloud}, subscription {subscription}" if subscription else cloud

    def _value(self, name: str) -> str:
        return plain(self.desk.settings[name].value) if name in self.desk.settings else ""

    def _say(self, text: str, severity: Severity = "information") -> None:
        self.notify(text, severity=severity, markup=False)
