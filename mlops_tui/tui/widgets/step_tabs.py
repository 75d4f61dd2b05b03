"""The step in hand: what it is, its settings, its plan, the commands it replaces, and what it has told."""

from __future__ import annotations

from collections.abc import Collection

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widget import Widget
from textual.widgets import TabbedContent, TabPane, Tabs

from mlops_tui.events import SettingValue
from mlops_tui.tui.state.setup import SetupState, StepRow
from mlops_tui.tui.widgets.by_hand import ByHand
from mlops_tui.tui.widgets.error_card import ErrorCardView
from mlops_tui.tui.widgets.plan_view import PlanView
from mlops_tui.tui.widgets.settings_form import SettingsForm
from mlops_tui.tui.widgets.step_about import StepAbout
from mlops_tui.tui.widgets.step_log import StepLog
from mlops_tui.tui.words.plain import plain

TABS = ("about", "settings", "plan", "by-hand", "log")


class StepTabs(Vertical):
    """Shows one step; only the tab that is open is kept up to date."""

    DEFAULT_CSS = """
    StepTabs {
        border: round $foreground 30%; border-title-color: $foreground;
        &:focus-within { border: round $primary; border-title-color: $primary; border-title-style: bold; }
        TabbedContent, ContentSwitcher, TabPane { height: 1fr; }
        Tab { color: $text-muted; }
        Tab.-active { color: $foreground; text-style: bold; }
        TabPane { padding: 0; }
        TabPane > * { height: 1fr; }
        VerticalScroll { scrollbar-size-vertical: 1; }
        VerticalScroll:focus { background: $surface; }
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self._shown_step = ""

    def compose(self) -> ComposeResult:
        yield ErrorCardView(id="step-error")
        with TabbedContent(initial="about"):
            with TabPane("What and why", id="about"):
                yield StepAbout()
            with TabPane("Settings", id="settings"):
                yield SettingsForm()
            with TabPane("Plan", id="plan"):
                yield PlanView()
            with TabPane("By hand", id="by-hand"):
                yield ByHand()
            with TabPane("Log", id="log"):
                yield StepLog()

    @property
    def open_tab(self) -> str:
        return self.query_one(TabbedContent).active

    def show(
        self,
        state: SetupState,
        row: StepRow,
        values: Collection[SettingValue],
        chosen: Collection[str],
        practice: bool,
    ) -> None:
        """`values` are the step's settings; `chosen` names settings given in this sitting."""
        self.border_title = Content(plain(row.title))
        self.query_one(ErrorCardView).show(row.error or state.problem)
        match self.open_tab:
            case "about":
                self.query_one(StepAbout).show(state, row)
            case "settings":
                self.query_one(SettingsForm).show(row.name, values, chosen)
            case "plan":
                self.query_one(PlanView).show(state, row, practice)
            case "by-hand":
                self.query_one(ByHand).show(row)
            case "log":
                self.query_one(StepLog).show(row)

    def turn(self, by: int) -> None:
        """To another tab; the focus goes along."""
        number = (TABS.index(self.open_tab) + by) % len(TABS)
        inside = self.has_focus_within
        if inside:
            self.query_one(Tabs).focus()
        self.query_one(TabbedContent).active = TABS[number]

    def focus_content(self) -> None:
        """Into what the open tab shows: the first thing that takes keys."""
        pane = self.query_one(f"TabPane#{self.open_tab}")
        inner: list[Widget] = [node for node in pane.query("*") if node.focusable]
        (inner[0] if inner else self.query_one(Tabs)).focus()

    def copy(self) -> None:
        """What the open tab is about: the commands by hand, else the error."""
        card = self.query_one(ErrorCardView)
        if self.open_tab == "by-hand" or not card.display:
            self.query_one(ByHand).copy()
        else:
            card.copy()
