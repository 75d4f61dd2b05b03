"""The settings that shape a step, as a form. What is typed counts once it is used, or saved to the project file."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.message import Message
from textual.widgets import Button, Input, Static

from mlops_tui.events import SettingValue
from mlops_tui.tui.widgets.setting_field import SettingField, origin_words

NO_SETTINGS = "Nothing to choose: this step follows from the others."


class SettingsForm(Vertical):
    """Posts `Used` or `Saved` with the values that differ from those that count, by name."""

    DEFAULT_CSS = """
    SettingsForm {
        #fields { height: 1fr; padding: 0 1; }
        #answers { height: 1; }
        #answers Button { min-width: 0; width: auto; margin-left: 1; }
        .none { color: $text-muted; padding: 0 1; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+l", "pick", "Pick a value"),
        Binding("escape", "screen.back", "Back to steps"),
        Binding("up", "move(-1)", "Setting before", show=False),
        Binding("down", "move(1)", "Setting after", show=False),
    ]

    class Used(Message):
        def __init__(self, values: Mapping[str, str]) -> None:
            super().__init__()
            self.values = dict(values)

    class Saved(Used):
        """Write them into the project file."""

    def __init__(self, id: str | None = None) -> None:  # noqa: A002 (Textual's name)
        super().__init__(id=id)
        self._edits: dict[str, str] = {}  # typed and not used yet, whatever the step
        self._fields: dict[str, SettingField] = {}
        self._step = ""

    def compose(self) -> ComposeResult:
        yield VerticalScroll(id="fields", can_focus=False)
        with Horizontal(id="answers"):
            yield Button("Use", id="use", variant="primary", compact=True, tooltip="Use these in this sitting")
            yield Button("Save to mlops.toml", id="save", compact=True, tooltip="Use these, and keep them")
            yield Button("Undo", id="undo", compact=True, tooltip="Back to what counts now")
            yield Button("Defaults", id="defaults", compact=True, tooltip="Fill in the defaults")

    def show(self, step: str, values: Collection[SettingValue], chosen: Collection[str]) -> None:
        """The settings of a step; `chosen` names those given in this sitting."""
        if step != self._step or [value.name for value in values] != list(self._fields):
            self._rebuild(step, values, chosen)
        for value in values:
            self._fields[value.name].refill(value, origin_words(value, value.name in chosen))
        self._enable()

    @property
    def unused(self) -> list[str]:
        """Settings, of any step, that were typed and do not count yet."""
        return list(self._edits)

    def fill(self, name: str, text: str) -> None:
        """Put a value that was picked into its field."""
        if name in self._fields:
            self._fields[name].fill(text)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return action != "pick" or any(field.has_focus_within and field.can_pick for field in self._fields.values())

    def action_pick(self) -> None:
        for field in self._fields.values():
            if field.has_focus_within:
                field.pick()

    def action_move(self, by: int) -> None:
        """To the next thing to fill in or press; it ends at the form's own ends: outside, letters are keys that act."""
        places = [widget for widget in self.screen.focus_chain if self in widget.ancestors]
        if self.screen.focused in places:
            places[min(max(places.index(self.screen.focused) + by, 0), len(places) - 1)].focus()

    @on(SettingField.Edited)
    def _edited(self, event: SettingField.Edited) -> None:
        event.stop()
        self._enable()

    @on(Input.Submitted)
    @on(Button.Pressed, "#use")
    def _use(self, event: Message) -> None:
        event.stop()
        if self._usable:
            self.post_message(self.Used(self._changed))

    @on(Button.Pressed, "#save")
    def _save(self, event: Message) -> None:
        event.stop()
        if self._usable:
            self.post_message(self.Saved(self._changed))

    @on(Button.Pressed, "#undo")
    def _undo(self, event: Message) -> None:
        event.stop()
        for field in self._fields.values():
            field.fill(field.value.value)

    @on(Button.Pressed, "#defaults")
    def _fill_defaults(self, event: Message) -> None:
        event.stop()
        for field in self._fields.values():
            if not field.value.secret:
                field.fill(field.value.default)

    @property
    def _changed(self) -> dict[str, str]:
        return {name: field.text for name, field in self._fields.items() if field.changed}

    @property
    def _usable(self) -> bool:
        return bool(self._changed) and not any(self._fields[name].problem for name in self._changed)

    def _enable(self) -> None:
        self.query_one("#answers").display = bool(self._fields)
        self.query_one("#use", Button).disabled = not self._usable
        self.query_one("#save", Button).disabled = not self._usable
        self.query_one("#undo", Button).disabled = not self._changed
        editable = [field for field in self._fields.values() if not field.value.secret]
        self.query_one("#defaults", Button).disabled = all(field.text == field.value.default for field in editable)

    def _rebuild(self, step: str, values: Collection[SettingValue], chosen: Collection[str]) -> None:
        self._step = step
        self._fields = {
            value.name: SettingField(value, self._edits, origin_words(value, value.name in chosen)) for value in values
        }
        fields = self.query_one("#fields", VerticalScroll)
        fields.remove_children()
        fields.mount(*(self._fields.values() or [Static(NO_SETTINGS, markup=False, classes="none")]))
