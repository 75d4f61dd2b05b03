"""Shows one figure, as large as there is room for."""

from __future__ import annotations

from textual.content import Content
from textual.geometry import Size
from textual.widget import Widget

from mlops_tui.tui.figure_drawing import draw
from mlops_tui.tui.state.figures import Figure
from mlops_tui.tui.words.plain import plain_lines


class FigureView(Widget, can_focus=True):
    """`show(figure)`; drawn again only where the figure or the size has changed."""

    DEFAULT_CSS = """
    FigureView {
        height: 1fr; padding: 0 1; background: $background; color: $foreground;
        &:focus { background: $surface; }
    }
    """
    ALLOW_SELECT = False

    def __init__(self) -> None:
        super().__init__()
        self.figure = Figure()
        self._drawn: tuple[Figure, Size, Content] | None = None

    def show(self, figure: Figure) -> None:
        if figure != self.figure:
            self.figure = figure
            self.refresh()

    def render(self) -> Content:
        if self.figure.empty:
            return Content(plain_lines(self.figure.empty))
        drawn = self._drawn
        if drawn is None or drawn[0] is not self.figure or drawn[1] != self.content_size:
            content = draw(self.figure, self.content_size.width, self.content_size.height)
            self._drawn = drawn = self.figure, self.content_size, content
        return drawn[2]
