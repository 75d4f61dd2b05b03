"""The lines of a log on the screen: whatever they hold they fit; they can be selected, copied and saved."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.style import Style
from textual.strip import Strip

from mlops_tui.tui.widgets.log_strip import draw
from tests.tui.log_app import LogApp, write, write_thousand
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


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "all.log"


@pytest.fixture
def thousand(path: Path) -> Path:
    return write_thousand(path)


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


async def test_two_clicks_select_a_line_and_no_selection_is_too_much(path: Path) -> None:
    app = LogApp(write(path, *(f"i line {at}" for at in range(12_000))))
    async with app.run_test(size=(90, 11), notifications=True) as pilot:
        await until(pilot, lambda: "line 11999" in app.rows[9])
        await pilot.click(app.view.lines, offset=(4, 3), times=2)
        await pilot.press("y")
        assert app.clipboard == "line 11993"
        app.view.lines.text_select_all()
        await pilot.press("y")
        assert len(app.clipboard.splitlines()) == 10_000
        await until(pilot, lambda: "Copied the first 10,000 lines." in "".join(app.rows))


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
