"""One setting of a form: its name, where its value came from, an input, what it is for, and what is wrong with it."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widgets import Button, Input, Select, Static

from mlops_tui import settings
from mlops_tui.events import SettingValue
from mlops_tui.tui.plain import plain
from mlops_tui.tui.signs import STEP_SIGNS

FOLDERS, FILES = ("notebooks",), ("federated_token_file",)
OFFERED = (  # the worker has a list of choices in the cloud for these
    "subscription_id",
    "location",
    "resource_group",
    "databricks_workspace",
    "databricks_host",
    "ml_workspace",
    "key_vault",
    "role",
    "cluster_name",
    "cluster_spark_version",
    "cluster_node_type",
    "secret_scope",
    "experiment",
)


class SettingField(Vertical):
    """Posts `Edited` at each change (an empty text means the default), and `Picking` where a list is wanted."""

    DEFAULT_CSS = """
    SettingField {
        height: auto; margin-bottom: 1;
        .head { height: 1; }
        .name { width: auto; text-style: bold; }
        .origin { width: 1fr; text-align: right; color: $text-muted; text-wrap: nowrap; text-overflow: ellipsis; }
        .entry { height: 1; }
        Input { width: 1fr; background: $panel; }
        Input:focus { background: $surface-lighten-2; text-style: bold; }
        Select { width: 1fr; }
        Button { min-width: 0; width: auto; margin-left: 1; }
        .help { color: $text-muted; }
        .problem { color: $text-error; }
    }
    """

    class Edited(Message):
        def __init__(self, name: str, text: str) -> None:
            super().__init__()
            self.name = name
            self.text = text

    class Picking(Message):
        def __init__(self, value: SettingValue) -> None:
            super().__init__()
            self.value = value

    def __init__(self, value: SettingValue, edited: str | None, origin: str) -> None:
        super().__init__()
        self.value = value
        self._edited = edited
        self._origin = origin
        self._input = self._make_input()

    @property
    def text(self) -> str:
        """As it stands in the form; a setting left empty has its default."""
        return (self._edited if self._edited is not None else self.value.value) or self.value.default

    @property
    def problem(self) -> str:
        if self.value.secret:
            return ""
        if self._edited is None:
            return self.value.problem
        return settings.problem_of(self.value.name, self.text)

    def compose(self) -> ComposeResult:
        value = self.value
        with Horizontal(classes="head"):
            yield Static(plain(value.name).replace("_", " "), markup=False, classes="name")
            yield Static(markup=False, classes="origin")
        with Horizontal(classes="entry"):
            yield self._input
            if value.name in OFFERED:
                yield Button("Pick", classes="pick", compact=True, tooltip="See what the cloud offers (Ctrl+L)")
            elif value.name in FOLDERS + FILES:
                yield Button("Browse", classes="pick", compact=True, tooltip="Look for it on this machine (Ctrl+L)")
        yield Static(self._help(), markup=False, classes="help")
        yield Static(markup=False, classes="problem")

    def on_mount(self) -> None:
        self._show()

    def refill(self, value: SettingValue, edited: str | None, origin: str) -> None:
        """Show what counts now; what has been typed and not used yet stays."""
        if (value, edited, origin) == (self.value, self._edited, self._origin):
            return
        self.value, self._edited, self._origin = value, edited, origin
        self._put(value.value if edited is None else edited)
        if self.is_mounted:
            self._show()

    def fill(self, text: str) -> None:
        """As if it had been typed."""
        self._put(text)
        self._edit(text)

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self._edit(event.value.strip())

    @on(Select.Changed)
    def _selected(self, event: Select.Changed) -> None:
        event.stop()
        if isinstance(event.value, str):
            self._edit(event.value)

    @on(Button.Pressed)
    def pick(self, event: Button.Pressed | None = None) -> None:
        if event is not None:
            event.stop()
        if self.value.name in OFFERED + FOLDERS + FILES:
            self.post_message(self.Picking(self.value))

    def _edit(self, text: str) -> None:
        if text == (self.value.value if self._edited is None else self._edited):
            return
        self._edited = None if text == self.value.value else text
        self._show()
        self.post_message(self.Edited(self.value.name, text))

    def _put(self, text: str) -> None:
        with self.prevent(Input.Changed, Select.Changed):
            if isinstance(self._input, Input):
                self._input.value = text
            elif isinstance(self._input, Select):
                self._input.value = text or self.value.default

    def _show(self) -> None:
        origin = "changed, not used yet" if self._edited is not None else self._origin
        self.query_one(".origin", Static).update(plain(origin))
        problem = self.query_one(".problem", Static)
        problem.update(f"{STEP_SIGNS['failed']} {plain(self.problem)}")
        problem.display = bool(self.problem)

    def _make_input(self) -> Input | Select[str] | Static:
        value = self.value
        text = value.value if self._edited is None else self._edited
        if value.secret:
            return Static("set; it is shown nowhere" if value.value else "not set", markup=False)
        if value.choices:
            known = text if text in value.choices else value.default
            return Select([(choice, choice) for choice in value.choices], value=known, allow_blank=False, compact=True)
        hint = f"{value.default} (the default)" if value.default else "not given"
        return Input(text, placeholder=plain(hint), compact=True, select_on_focus=False)

    def _help(self) -> str:
        text = plain(self.value.help)
        if self.value.secret:
            text += f". Give it in the variable {' or '.join(self.value.variables)}, before the app is started."
        return text


def origin_words(value: SettingValue, chosen: bool) -> str:
    """Where the value came from; `chosen` in this sitting."""
    if chosen:
        return "chosen this time"
    return "the default" if value.origin == "default" else f"from {value.origin}"
