"""What is marked in History, side by side."""

from __future__ import annotations

from textual.widgets import Static

from mlops_tui.tui.state.history import BuildRow
from mlops_tui.tui.state.training import RunRow
from mlops_tui.tui.words.builds import build_name, comparison, comparison_title


class Comparison(Static):
    """Gone where nothing is marked."""

    def __init__(self) -> None:
        super().__init__(markup=False, id="comparison")
        self.marked: dict[str, tuple[BuildRow, RunRow]] = {}  # by build, or by build and run

    @property
    def builds(self) -> list[str]:
        """Numbers of those that are marked as a whole."""
        return [key for key, (build, _) in self.marked.items() if key == build.number]

    def turn(self, build: BuildRow, run: RunRow, whole: bool) -> None:
        """Mark the `whole` build (then this is its best run) or the run; a second time: no longer."""
        key = build.number if whole else f"{build.number}\n{run.run_id or run.name}"
        if self.marked.pop(key, None) is None:
            self.marked[key] = build, run

    def show(self) -> None:
        self.display = bool(self.marked)
        if self.marked:
            rows = [(build_name(build), run) for build, run in self.marked.values()]
            self.update(comparison(rows, self.screen.size.width - 2))
            self.border_title = comparison_title(len(rows))
