"""A live log on the screen: people follow it, scroll back, search, filter, select, copy and save."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.style import Style
from textual import events
from textual.app import App, ComposeResult
from textual.strip import Strip
from textual.widgets import Input, Label

from mlops_tui.tui.widgets.log_strip import draw
from mlops_tui.tui.widgets.log_view import LogView
from tests.tui.waiting import until

WEIRD = [
    "i plain",
    "w tab\there",
    "e [bold]no markup[/] [/subscriptions/x]",
    "i 漢字 " * 900,
    "i שלום עולם",
    "i e\u0301\u0301\u0301 👩‍👧‍👦 🏳️‍🌈 ☠",
    "i \x1b[31mred\x1b[0m \x07",
    "i " + "0123456789" * 1000,
    "i ",
    "i \u202eevil",
]


class LogApp(App[None]):
    """One log and a button's worth of other things to focus."""

    def __init__(self, path: Path | None = None, title: str = "") -> None:
        super().__init__()
        self.path, self.log_title = path, title

    def compose(self) -> ComposeResult:
        yield LogView()

    def on_mount(self) -> None:
        view = self.query_one(LogView)
        view.show(self.path, self.log_title)
        view.lines.focus()

    @property
    def view(self) -> LogView:
        return self.query_one(LogView)

    @property
    def rows(self) -> list[str]:
        """The screen as text."""
        return [strip.text for strip in self.screen._compositor.render_strips()]

    @property
    def status(self) -> str:
        return self.view.status.words


def write(path: Path, *lines: str) -> Path:
    with path.open("a", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in lines)
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "all.log"


@pytest.fixture
def thousand(path: Path) -> Path:
    return write(path, *(f"{'e' if at % 100 == 50 else 'w' if at % 100 == 0 else 'i'} line {at}" for at in range(1000)))


async def test_a_log_that_does_not_exist_yet_appears_when_it_does(path: Path) -> None:
    app = LogApp(path)
    async with app.run_test(size=(40, 10)) as pilot:
        await until(pilot, lambda: "Nothing has been printed yet." in "".join(app.rows))
        write(path, "i hello [red]world[/]", "w careful", "e broken")
        await until(pilot, lambda: "broken" in "".join(app.rows))
        assert app.rows[0].startswith("  hello [red]world[/]")
        assert app.rows[1].startswith("▲ careful")
        assert app.rows[2].startswith("✖ broken")
        await until(pilot, lambda: app.status == "following · 3 lines")


async def test_no_log_at_all_says_so_and_no_key_does_harm(path: Path) -> None:
    app = LogApp(None)
    async with app.run_test(size=(40, 10)) as pilot:
        await until(pilot, lambda: "No log is chosen." in "".join(app.rows))
        await pilot.press("up", "home", "end", "left", "right", "y", "s", "l", "f", "f", "n", "N", "enter", "escape")
        await pilot.press("slash", "x", "enter", "escape", "colon", "1", "enter", "pageup", "pagedown")
        assert "No log is chosen." in "".join(app.rows)


async def test_scrolling_up_pauses_tells_how_much_is_new_and_end_follows_again(thousand: Path) -> None:
    app = LogApp(thousand)
    async with app.run_test(size=(60, 11)) as pilot:
        await until(pilot, lambda: "line 999" in app.rows[9])
        await pilot.press("up", "up")
        assert app.rows[9].startswith("  line 997")
        write(thousand, *(f"i more {at}" for at in range(1234)))
        await until(pilot, lambda: "1,234 new lines" in app.status)
        assert app.status.startswith("paused · 1,234 new lines · End to follow")
        assert app.rows[9].startswith("  line 997")
        await pilot.press("end")
        assert "more 1233" in app.rows[9]
        write(thousand, "i the last")
        await until(pilot, lambda: "the last" in app.rows[9])


async def test_the_whole_file_can_be_paged_through(thousand: Path) -> None:
    app = LogApp(thousand)
    async with app.run_test(size=(60, 11)) as pilot:
        await until(pilot, lambda: "line 999" in app.rows[9])
        await pilot.press("home")
        assert app.rows[0].startswith("▲ line 0")
        await pilot.press("pagedown")
        assert app.rows[0].startswith("  line 9 "), "one line stays, so that one finds one's place"
        await pilot.press("pageup", "down", "g")
        assert app.rows[0].startswith("▲ line 0")
        await pilot.press("G")
        assert "line 999" in app.rows[9]
        await pilot.press("f")
        assert "paused" in app.status
        await pilot.press("f")
        assert "following" in app.status


async def test_the_wheel_the_scrollbar_and_the_status_line_serve_those_without_keys(thousand: Path) -> None:
    app = LogApp(thousand)
    async with app.run_test(size=(60, 11)) as pilot:
        await until(pilot, lambda: "line 999" in app.rows[9])
        lines, bar = app.view.lines, app.view.bar
        await pilot._post_mouse_events([events.MouseScrollUp], lines, (5, 5))
        await until(pilot, lambda: "paused" in app.status)
        assert "line 999" not in app.rows[9]

        await pilot.click(bar, offset=(0, 1))  # above the thumb: a page up
        await until(pilot, lambda: app.view.window.top < 985)
        await pilot.mouse_down(bar, offset=(0, 9))  # the thumb is dragged to the top
        await pilot.hover(bar, offset=(0, 0))
        await pilot.mouse_up(bar, offset=(0, 0))
        await until(pilot, lambda: app.view.window.top < 200)
        await pilot.click(app.view.status)
        await until(pilot, lambda: "line 999" in app.rows[9])


async def test_a_search_finds_all_jumps_and_ends_with_escape(thousand: Path) -> None:
    app = LogApp(thousand)
    async with app.run_test(size=(60, 12)) as pilot:
        await until(pilot, lambda: "line 999" in app.rows[10])
        await pilot.press("slash", *"line 5")
        await until(pilot, lambda: app.status.startswith("111 of 111"))
        assert any("line 599" in row for row in app.rows), "the match nearest above what was shown"
        assert any(row.lstrip().startswith("Find") for row in app.rows)
        await pilot.press("enter", "n")
        assert app.status.startswith("1 of 111")
        assert any("line 5 " in row for row in app.rows)
        await pilot.press("enter")
        assert app.status.startswith("2 of 111")
        await pilot.press("N", "N")
        assert app.status.startswith("111 of 111")

        write(thousand, "i line 5 again")
        await until(pilot, lambda: app.status.startswith("111 of 112"))
        await pilot.press("slash", "q")  # what was looked for is selected: one types over it
        await until(pilot, lambda: "no match for q" in app.status)
        await pilot.press("escape")
        assert not app.query(Input)
        assert app.focused is app.view.lines
        assert "no match" not in app.status


async def test_matches_stand_out_and_one_far_to_the_right_is_brought_in(path: Path) -> None:
    write(path, "i first", "i " + "-" * 9000 + "needle" + "-" * 900)
    app = LogApp(path)
    async with app.run_test(size=(40, 8)) as pilot:
        await until(pilot, lambda: "---" in app.rows[1])
        await pilot.press("slash", *"needle")
        await until(pilot, lambda: any("needle-" in row for row in app.rows))
        strip = app.view.lines.render_line(1)
        assert [segment.text for segment in strip if segment.style and segment.style.reverse] == ["needle"]
        await pilot.press("escape", "home")
        await pilot.press(*["left"] * 3)


async def test_levels_cycle_and_an_empty_filter_tells_the_way_back(thousand: Path) -> None:
    app = LogApp(thousand)
    async with app.run_test(size=(70, 11)) as pilot:
        await until(pilot, lambda: "line 999" in app.rows[9])
        await pilot.press("l")
        assert [row[:10].rstrip() for row in app.rows[8:10]] == ["▲ line 900", "✖ line 950"]
        assert "warnings and errors only" in app.status
        await pilot.press("l")
        assert [row[:10].rstrip() for row in app.rows[8:10]] == ["✖ line 850", "✖ line 950"]
        write(thousand, "i quiet", "e loud")
        await until(pilot, lambda: "loud" in app.rows[9])
        await pilot.press("l")
        assert [row[:9].rstrip() for row in app.rows[8:10]] == ["  quiet", "✖ loud"]


async def test_a_filter_that_hides_everything_leads_back_in_one_step(path: Path) -> None:
    app = LogApp(write(path, *["i calm"] * 1204))
    async with app.run_test(size=(60, 8)) as pilot:
        await until(pilot, lambda: "1,204 lines" in app.status)
        await pilot.press("l")
        assert "No warnings or errors among 1,204 lines. Press l to show" in " ".join("".join(app.rows).split())
        await pilot.press("l")
        assert app.rows[0].startswith("  calm")


async def test_jumping_to_a_line_by_its_number(thousand: Path) -> None:
    app = LogApp(thousand)
    async with app.run_test(size=(60, 11)) as pilot:
        await until(pilot, lambda: "line 999" in app.rows[9])
        await pilot.press("colon", "5", "x", "0", "1", "enter")  # no letters in a number
        await until(pilot, lambda: any("line 500" in row for row in app.rows))
        assert not app.query(Input)
        assert "paused" in app.status
        await pilot.press("y")
        assert app.clipboard == "line 500", "the line in hand"
        await pilot.press("ctrl+g", *"999999999", "enter")
        await until(pilot, lambda: "line 999" in app.rows[9])


async def test_dragging_selects_characters_that_stay_selected_while_lines_come(thousand: Path) -> None:
    app = LogApp(thousand)
    async with app.run_test(size=(60, 11), notifications=True) as pilot:
        await until(pilot, lambda: "line 999" in app.rows[9])
        lines = app.view.lines
        await pilot.mouse_down(lines, offset=(7, 2))
        await pilot.hover(lines, offset=(5, 4))
        await pilot.mouse_up(lines, offset=(5, 4))
        (chosen,) = [piece for piece in lines.render_line(3) if piece.text == "line 993"]
        around = lines.render_line(5)._segments[2].style
        assert chosen.style and around  # noqa: PT018
        assert chosen.style.bgcolor not in (around.bgcolor, chosen.style.color), "it is seen, and can be read"
        write(thousand, *["i more"] * 50)
        await until(pilot, lambda: "50 new lines" in app.status)
        await pilot.press("y")
        assert app.clipboard == "992\nline 993\nline"
        await until(pilot, lambda: "Copied 3 lines." in "".join(app.rows))
        await pilot.press("ctrl+c")
        assert app.clipboard.startswith("992\nline 993")


async def test_without_a_selection_the_lines_on_the_screen_are_copied(path: Path) -> None:
    app = LogApp(write(path, "i one", "i two"))
    async with app.run_test(size=(60, 8)) as pilot:
        await until(pilot, lambda: "two" in app.rows[1])
        await pilot.press("y")
        assert app.clipboard == "one\ntwo"


async def test_saving_twice_makes_two_private_files(
    thousand: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    app = LogApp(thousand, "alpha=0.5,l1_ratio=0.5")
    async with app.run_test(size=(100, 11), notifications=True) as pilot:
        await until(pilot, lambda: "line 999" in app.rows[9])
        await pilot.press("s")
        await until(pilot, lambda: "Saved 1,000 lines to" in "".join(app.rows))
        await pilot.press("l", "l", "ctrl+s")
        await until(pilot, lambda: "Saved 10 lines to" in "".join(app.rows))
    saved = sorted(folder.iterdir())
    assert [file.name for file in saved] == ["alpha=0.5,l1_ratio=0.5-2.log", "alpha=0.5,l1_ratio=0.5.log"]
    assert {file.stat().st_mode & 0o777 for file in saved} == {0o600}
    assert saved[0].read_text().splitlines()[0] == "line 50"


async def test_a_folder_that_cannot_be_written_is_told(
    thousand: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    app = LogApp(thousand)
    async with app.run_test(size=(100, 11), notifications=True) as pilot:
        await until(pilot, lambda: "line 999" in app.rows[9])
        await pilot.press("s")
        await until(pilot, lambda: "could not be saved" in "".join(app.rows))


async def test_changing_to_another_log_begins_at_its_end_and_keeps_the_filter(thousand: Path, tmp_path: Path) -> None:
    other = write(tmp_path / "other.log", "i calm", "e stormy")
    app = LogApp(thousand)
    async with app.run_test(size=(60, 11)) as pilot:
        await until(pilot, lambda: "line 999" in app.rows[9])
        await pilot.press("l", "l", "home")
        app.view.show(other, "other run")
        await until(pilot, lambda: app.rows[0].startswith("✖ stormy"))
        await until(pilot, lambda: "following" in app.status and "other run" in app.status)
        app.view.show(None)
        await until(pilot, lambda: "No log is chosen." in "".join(app.rows))


@pytest.mark.parametrize("size", [(20, 6), (80, 24), (200, 50), (3, 3), (1, 2)])
async def test_every_line_fits_whatever_it_holds_however_small_the_screen(path: Path, size: tuple[int, int]) -> None:
    app = LogApp(write(path, *WEIRD), "a title that is longer than twenty columns")
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: app.view.window.total == len(WEIRD))
        await pilot.press("home")
        for key in ["right", "right", "right", "slash", "0", "escape", "pagedown", "left", "l", "l", "l"]:
            await pilot.press(key)
            lines = app.view.lines
            for y in range(lines.size.height):
                assert lines.render_line(y).cell_length == lines.size.width or lines.size.width < 3
            screen = "".join(app.rows)
            assert not any(bad in screen for bad in "\x1b\x07\t\u202e")


@pytest.mark.parametrize("column", [0, 1, 2, 7, 50, 800, 1195])
def test_wide_characters_are_cropped_by_cells(column: int) -> None:
    marked = [(1, 3, Style(bold=True)), (2, 40, Style(reverse=True))]
    for text in ("漢字かな交じり文" * 5, "ab漢" * 300 + "end", "ab漢c👩‍👧de\u0301f" * 4, "plain" * 20, ""):
        strip = Strip(draw(text, column, 10, Style(), marked, row=3))
        assert strip.cell_length == 10
        assert cell_len(strip.text) == 10
        assert ("…" in strip.text) == (cell_len(text) > column + 10)


async def test_what_it_can_do_is_listed_in_words_and_escape_is_left_to_others(thousand: Path) -> None:
    escaped: list[str] = []

    class Outer(LogApp):
        BINDINGS = [("escape", "out", "Out")]  # noqa: RUF012

        def action_out(self) -> None:
            escaped.append("out")

    app = Outer(thousand)
    async with app.run_test(size=(60, 11)) as pilot:
        await until(pilot, lambda: "line 999" in app.rows[9])
        listed = {binding.action: binding.description for _, binding, _, _ in app.screen.active_bindings.values()}
        assert listed["search"] == "Find in the log"
        assert listed["save"] == "Save the log to a file"
        await pilot.press("slash", "escape")
        assert escaped == []
        await pilot.press("escape")
        assert escaped == ["out"]
        assert not app.query(Label)
