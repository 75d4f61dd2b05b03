"""A live log on the screen: people follow it, scroll back, search, filter, select, copy and save."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual import events
from textual.widgets import Input, Label

from tests.tui.log_app import LogApp, write, write_thousand
from tests.tui.waiting import until


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "all.log"


@pytest.fixture
def thousand(path: Path) -> Path:
    return write_thousand(path)


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
