"""What the setup screen does with settings: use them, save them, and find values to pick from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

from textual import on, work

from mlops_tui.events import Choice
from mlops_tui.tui.dialogs.pick_path import PickPath
from mlops_tui.tui.dialogs.pick_value import PickValue
from mlops_tui.tui.screens.section import Section
from mlops_tui.tui.widgets.setting_field import FOLDERS, OFFERED, SettingField
from mlops_tui.tui.widgets.settings_form import SettingsForm

if TYPE_CHECKING:
    from mlops_tui.tui.app import MlopsApp

BUSY = "Wait until what is going on has ended, or stop it."


class SettingsActions(Section):
    """The part of the setup screen behind its settings forms."""

    @on(SettingsForm.Used)
    def _settings_used(self, event: SettingsForm.Used) -> None:
        if self.desk.setup.state.doing or ("cloud" in event.values and self.desk.busy):
            self.notify(BUSY, severity="warning", markup=False)
        else:
            self._put_to_use(event.values, isinstance(event, SettingsForm.Saved))

    def settings_left(self) -> bool:
        """Something was typed and does not count yet: whoever applies now would not get it. Said, if so."""
        names = ", ".join(name.replace("_", " ") for name in self.query_one(SettingsForm).unused)
        if names:
            text = f"Typed in Settings, and not used yet: {names}. Press Use or Undo there first."
            self.notify(text, severity="warning", markup=False)
        return bool(names)

    @on(SettingField.Picking)
    def _pick(self, event: SettingField.Picking) -> None:
        name = event.value.name
        title = name.replace("_", " ").capitalize()
        if name in OFFERED:
            self.desk.choices.pop(name, None)
            self.desk.choice_problems.pop(name, None)
            self.desk.list_choices(name)
            self.app.push_screen(PickValue(title, lambda: self._offered(name)), lambda text: self._picked(name, text))
        else:
            paths = PickPath(title, Path.cwd(), name in FOLDERS)
            self.app.push_screen(paths, lambda text: self._picked(name, text))

    @work(exclusive=True, group="settings")
    async def _put_to_use(self, values: Mapping[str, str], save: bool) -> None:
        """Another setting, another plan: look again. Saved ones count from the file, not for this sitting alone."""
        elsewhere = values.get("cloud")
        if save:
            saving = self.desk.save_settings(values)
            await saving.done.wait()
            if saving.exit_code != 0:
                return
            for name in values:
                self.desk.line.flags.pop(name, None)
            values = {}
        if elsewhere:
            cast("MlopsApp", self.app).open_cloud({"cloud": elsewhere, **values})
            return
        if not self.desk.opened:
            self.desk.open(values)
            return
        await self.desk.set_settings(values).done.wait()
        if not self.desk.setup.state.doing:
            self.desk.setup.look()

    def _offered(self, name: str) -> tuple[tuple[Choice, ...] | None, str]:
        return self.desk.choices.get(name), self.desk.choice_problems.get(name, "")

    def _picked(self, name: str, text: str | None) -> None:
        if text is not None:
            self.query_one(SettingsForm).fill(name, text)
