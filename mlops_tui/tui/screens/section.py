"""What the sections have in common: the bar on top, the keys between them, and being told of changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import Footer

from mlops_tui.tui.widgets.section_bar import SectionBar

if TYPE_CHECKING:
    from mlops_tui.tui.app import MlopsApp
    from mlops_tui.tui.desks.desk import Desk
    from mlops_tui.tui.desks.line import Topic


class Section(Screen[None]):
    """A screen of its own mode. Subclasses give `section`, `topics`, `help_text`, `body` and `show`."""

    section: ClassVar[str] = ""  # "setup"
    topics: ClassVar[tuple[Topic, ...]] = ()  # changes of these call `show`
    help_text: ClassVar[str] = ""  # what F1 shows: Markdown
    _keys_seen: object = None  # in the footer
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("1,f2", "go('setup')", "Setup", show=False),
        Binding("2,f3", "go('training')", "Training", show=False),
        Binding("3,f4", "go('delivery')", "Delivery", show=False),
        Binding("4,f5", "go('history')", "History", show=False),
        Binding("5,f6", "go('pipelines')", "Pipelines", show=False),
        Binding("0", "app.choose_cloud", "Choose another cloud", show=False),
    ]

    @property
    def desk(self) -> Desk:
        return cast("MlopsApp", self.app).desk

    def compose(self) -> ComposeResult:
        yield SectionBar(self.section)
        yield from self.body()
        yield Footer(show_command_palette=True)

    def body(self) -> ComposeResult:
        """What stands between the bar and the footer."""
        raise NotImplementedError

    def show(self) -> None:
        """Bring the widgets up to what the desk knows; cheap enough to be called 20 times a second."""
        raise NotImplementedError

    def on_mount(self) -> None:
        cast("MlopsApp", self.app).changes.subscribe(self, self._topic_changed)
        self.show()

    def on_screen_resume(self) -> None:
        """What changed while another section was on top."""
        self.query_one(SectionBar).show()
        self.show()

    def refresh_bindings(self) -> None:
        """Textual builds the footer anew, which takes longer than a frame: only where other keys are to be seen."""
        if not self.is_current:  # or the app is ending: nobody sees keys then, and there may be none to ask for
            self._keys_seen = None  # the footer is not as it was then
            super().refresh_bindings()
            return
        seen = [
            (active.binding.key, active.binding.description, active.enabled)
            for active in self.active_bindings.values()
            if active.binding.show
        ]
        heard = self.app.app_focus and any(footer.children for footer in self.query(Footer))
        if seen != self._keys_seen or not heard:
            self._keys_seen = seen
            super().refresh_bindings()

    def action_go(self, section: str) -> None:
        cast("MlopsApp", self.app).show_section(section)

    def _topic_changed(self, topic: Topic) -> None:
        if topic in self.topics and self.is_current:
            self.show()
