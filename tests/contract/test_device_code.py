"""Signing in by device code, as people do it: the command line shows address and code, a browser takes them."""

from __future__ import annotations

import re
import urllib.parse
import urllib.request
from collections.abc import Iterator
from ssl import create_default_context

import pytest

from tests.journeys.conftest import Home

pytestmark = [pytest.mark.xdist_group("device-code"), pytest.mark.timeout(100)]
ASKED = re.compile(r"To sign in, open (https://\S+/devicelogin) in any browser and enter the code (\w+)")
CHOSEN = ("--sign-in", "device-code")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """One practice cloud for all stories here; nothing is made in it."""
    made = Home(tmp_path_factory.mktemp("device-code"))
    try:
        assert made.run("sandbox", "start").code == 0
        yield made
    finally:
        made.close()


def approve(home: Home, url: str, code: str) -> None:
    """What the person does in the browser."""
    form = urllib.parse.urlencode({"user_code": code}).encode()
    context = create_default_context(cafile=str(home.sandbox / "ca.pem"))
    urllib.request.urlopen(url, form, 10, context=context).close()


def signed_in_by_hand(home: Home, *arguments: str) -> tuple[int, list[str]]:
    """Run the command, do what its first such line asks for; exit code and all lines."""
    lines: list[str] = []
    with home.start(*arguments) as running:
        assert running.stdout is not None
        for line in running.stdout:
            lines.append(line.rstrip("\n"))
            if asked := ASKED.search(line):
                approve(home, *asked.groups())
    return running.returncode, lines


def test_the_code_is_shown_and_the_plan_follows_once_it_was_entered(home: Home) -> None:
    """The flag is an explicit choice: it counts without a terminal, too."""
    code, lines = signed_in_by_hand(home, "setup", "--plan", *CHOSEN, "--non-interactive")
    assert code == 0, lines
    asked = [number for number, line in enumerate(lines) if ASKED.search(line)]
    assert len(asked) == 1, "a person is asked once, whatever the command talks to"
    assert lines[asked[0]].startswith("sign-in │ ")
    assert lines.index("Plan") > asked[0]
    assert any("learner@sandbox.example" in line for line in lines)
    assert any("+ create  resource group" in line for line in lines)


def test_programs_that_read_the_events_get_the_code_as_one_of_them(home: Home) -> None:
    code, lines = signed_in_by_hand(home, "setup", "--plan", *CHOSEN, "--output", "json")
    assert code == 0, lines
    (asked,) = [line for line in lines if ASKED.search(line)]
    assert '"type": "log_line"' in asked
    assert '"source": "sign-in"' in asked


@pytest.mark.parametrize("way", ["device-code", "browser"])
def test_a_job_without_a_person_is_not_left_waiting_for_one(home: Home, way: str) -> None:
    """What a variable says may be meant for somebody's desk: without a flag and a terminal it is refused at once."""
    done = home.run("setup", "--plan", timeout=30, MLOPS_TUI_SIGN_IN=way)
    assert done.code == 2, done.out + done.err
    assert f"Signing in by {way} needs a person" in done.err
    assert "MLOPS_TUI_SIGN_IN" in done.err
    assert f"--sign-in {way}" in done.err
    assert "Plan" not in done.out
