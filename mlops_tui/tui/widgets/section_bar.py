"""The top line: the name of the app, the sections (a click goes there), and where one works."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widgets import Static

from mlops_tui.tui.words.plain import plain
from mlops_tui.tui.words.signs import STEP_SIGNS

if TYPE_CHECKING:
    from mlops_tui.tui.app import MlopsApp
    from mlops_tui.tui.desks.line import Topic

TITLES = {
    "setup": "1 Setup",
    "training": "2 Training",
    "delivery": "3 Delivery",
    "history": "4 History",
    "pipelines": "5 Pipelines",
}
PADDING = 2  # cells around each name
EDGES = 3  # cells: one more after the app's name, two around what stands at the right
SEPARATOR = " · "
CLOUDS = {"sandbox": "practice cloud", "AzureCloud": "Azure"}  # others are named as they are set


class SectionTab(Static):
    """One section's name, with a sign while something runs there."""

    running = False

    def __init__(self, section: str, chosen: bool) -> None:
        super().__init__(TITLES[section], markup=False, classes="-chosen" if chosen else "")
        self.section = section

    def show(self, running: bool) -> None:
        if running != self.running:
            self.running = running
            self.update(f"{TITLES[self.section]} {STEP_SIGNS['running']}" if running else TITLES[self.section])

    async def on_click(self) -> None:
        await self.run_action(f"screen.go('{self.section}')")


class SectionBar(Horizontal):
    """Brings itself up to date; the screens need not think of it."""

    TOPICS: ClassVar[tuple[Topic, ...]] = ("setup", "settings", "training", "delivery", "pipelines")
    DEFAULT_CSS = """
    SectionBar {
        height: 1; background: $panel; color: $foreground;
        .brand { width: auto; padding: 0 2 0 1; text-style: bold; color: $primary; }
        SectionTab { width: auto; padding: 0 1; color: $text-muted; }
        SectionTab:hover { background: $surface; }
        SectionTab.-chosen { text-style: bold reverse; color: $foreground; }
        .where {
            width: 1fr; text-align: right; padding: 0 1; color: $text-muted;
            text-wrap: nowrap; text-overflow: ellipsis;
        }
    }
    """

    def __init__(self, section: str) -> None:
        super().__init__()
        self._section = section
        self._where = ""

    def compose(self) -> ComposeResult:
        yield Static("mlops-tui", markup=False, classes="brand")
        for section in TITLES:
            yield SectionTab(section, section == self._section)
        yield Static("", markup=False, classes="where")

    def on_mount(self) -> None:
        cast("MlopsApp", self.app).changes.subscribe(self, self._changed)
        self.show()

    def on_resize(self) -> None:
        self.show()

    def show(self) -> None:
        """What the desk knows, if that has changed."""
        desk = cast("MlopsApp", self.app).desk
        busy = {
            "setup": desk.setup.busy,
            "training": desk.training.busy,
            "delivery": desk.delivery.busy,
            "pipelines": desk.pipelines.running,
        }
        for tab in self.query(SectionTab):
            tab.show(bool(busy.get(tab.section)))
        where = self._whereabouts()
        if where != self._where:
            self._where = where
            self.query_one(".where", Static).update(where)

    def _whereabouts(self) -> str:
        """Project · cloud · build, as far as they are known."""
        desk = cast("MlopsApp", self.app).desk
        values = {name: desk.settings[name].value for name in ("project_name", "cloud") if name in desk.settings}
        cloud = desk.line.flags.get("cloud") or values.get("cloud", "")
        sweep = desk.training.state.current
        build = f"build {sweep.build}" if sweep is not None and sweep.build else ""
        known = {"project": values.get("project_name", ""), "cloud": CLOUDS.get(cloud, cloud), "build": build}
        parts = {name: plain(text) for name, text in known.items() if text}
        for given_up in ("build", "project"):  # a build's number is long; which cloud it is matters most
            if cell_len(SEPARATOR.join(parts.values())) > self._room and len(parts) > 1:
                parts.pop(given_up, None)
        return SEPARATOR.join(parts.values())

    @property
    def _room(self) -> int:
        """Cells beside the name and the tabs."""
        shown = (child for child in self.query(Static) if child.display and not child.has_class("where"))
        beside = [f"{child.render()}" for child in shown]
        return self.size.width - sum(cell_len(text) + PADDING for text in beside) - EDGES

    def _changed(self, topic: Topic) -> None:
        if topic in self.TOPICS and self.screen.is_current:
            self.show()
