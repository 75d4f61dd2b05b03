"""One setting of a form: its name, where its value came from, an input, what it is for, and what is wrong with it."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widgets import Button, Input, Select, Static

from mlops_tui import settings
from mlops_tui.events import SettingValue
from mlops_tui.tui.words.plain import plain
from mlops_tui.tui.words.signs import STEP_SIGNS

ORIGINS = {"default": "the default", "sandbox": "the practice cloud"}
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


class _PickButton(Button, can_focus=False):
    """For the mouse: Tab goes from input to input, and Ctrl+L does the same."""


class SettingField(Vertical):
    """Keeps what is typed in `edits`, which it shares with its form, and posts `Edited` at each change.

    An empty text means the default.
    """

    DEFAULT_CSS = """
    SettingField {
        height: auto; margin-bottom: 1;
        .head { height: 1; }
        .name { width: auto; text-style: bold; }
        .origin { width: 1fr; margin-left: 1; text-align: right; color: $text-muted; }
        .origin { text-wrap: nowrap; text-overflow: ellipsis; }
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
        """`edits` has changed."""

    class Picking(Message):
        def __init__(self, value: SettingValue) -> None:
            super().__init__()
            self.value = value

    def __init__(self, value: SettingValue, edits: dict[str, str], origin: str) -> None:
        super().__init__()
        self.value = value
        self._edits = edits
        self._origin = origin
        self._input = self._make_input()

    @property
    def changed(self) -> bool:
        return self.value.name in self._edits

    @property
    def raw(self) -> str:
        """What stands in the input."""
        return self._edits.get(self.value.name, self.value.value)

    @property
    def text(self) -> str:
        """What is meant: a setting left empty has its default."""
        return self.raw or self.value.default

    @property
    def problem(self) -> str:
        if self.value.secret:
            return ""
        return settings.problem_of(self.value.name, self.text) if self.changed else self.value.problem

    @property
    def can_pick(self) -> bool:
        """There is a list to choose from, in the cloud or on this machine."""
        return self.value.name in OFFERED + FOLDERS + FILES

    def compose(self) -> ComposeResult:
        value = self.value
        with Horizontal(classes="head"):
            yield Static(plain(value.name).replace("_", " "), markup=False, classes="name")
            yield Static(markup=False, classes="origin")
        with Horizontal(classes="entry"):
            yield self._input
            if self.can_pick:
                where = "in the cloud" if value.name in OFFERED else "on this machine"
                yield _PickButton("Pick", compact=True, tooltip=f"See what there is {where} (Ctrl+L)")
        yield Static(self._help(), markup=False, classes="help")
        yield Static(markup=False, classes="problem")

    def on_mount(self) -> None:
        self._show()

    def refill(self, value: SettingValue, origin: str) -> None:
        """Show what counts now; what has been typed and not used yet stays."""
        if (value, origin) == (self.value, self._origin):
            return
        self.value, self._origin = value, origin
        if self._edits.get(value.name) == value.value:
            del self._edits[value.name]
        self._put(self.raw)
        if self.is_mounted:
            self._show()

    def fill(self, text: str) -> None:
        """As if it had been typed."""
        self._put(text)
        if isinstance(self._input, Input):
            self._input.action_end()
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
        if self.can_pick:
            self.post_message(self.Picking(self.value))

    def _edit(self, text: str) -> None:
        if text == self.raw:
            return
        if text == self.value.value:
            del self._edits[self.value.name]
        else:
            self._edits[self.value.name] = text
        self._show()
        self.post_message(self.Edited())

    def _put(self, text: str) -> None:
        with self.prevent(Input.Changed, Select.Changed):
            if isinstance(self._input, Input):
                self._input.value = text
            elif isinstance(self._input, Select):
                self._input.value = self._known(text)

    def _show(self) -> None:
        origin = "changed, not used yet" if self.changed else self._origin
        self.query_one(".origin", Static).update(plain(origin))
        problem = self.query_one(".problem", Static)
        problem.update(f"{STEP_SIGNS['failed']} {plain(self.problem)}")
        problem.display = bool(self.problem)

    def _make_input(self) -> Input | Select[str] | Static:
        value = self.value
        text = self.raw
        if value.secret:
            return Static("set; it is shown nowhere" if value.value else "not set", markup=False)
        if value.choices:
            options = [(choice, choice) for choice in value.choices]
            return Select(options, value=self._known(text), allow_blank=False, compact=True)
        hint = f"{value.default} (the default)" if value.default else "not given"
        return Input(text, placeholder=plain(hint), compact=True, select_on_focus=False)

    def _known(self, text: str) -> str:
        """One of the choices, whatever was given."""
        return text if text in self.value.choices else self.value.default

    def _help(self) -> str:
        text = plain(self.value.help)
        if self.value.secret:
            text += f". Give it in the variable {' or '.join(self.value.variables)}, before the app is started."
        return text


def origin_words(value: SettingValue, chosen: bool) -> str:
    """Where the value came from; `chosen` in this sitting."""
    if chosen:
        return "chosen this time"
    return ORIGINS.get(value.origin, value.origin)
