"""The error tree: exit codes are a contract, and the docstring that draws it tells the truth."""

from __future__ import annotations

import re

import pytest

from mlops_tui import errors
from mlops_tui.errors import MlopsError, SignInError, UsageError


def tree(kind: type[MlopsError] = MlopsError) -> list[type[MlopsError]]:
    return [kind, *(below for child in kind.__subclasses__() for below in tree(child))]


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("MlopsError", 1),
        ("UsageError", 2),
        ("SignInError", 3),
        ("ForbiddenError", 3),
        ("ApprovalNeeded", 4),
        ("NotFoundError", 1),
        ("ConflictError", 1),
        ("ThrottledError", 1),
        ("UnreachableError", 1),
        ("PlanChangedError", 1),
        ("NotInStepError", 1),
        ("RunFailedError", 1),
        ("GateMissedError", 1),
        ("Interrupted", 130),
    ],
)
def test_the_exit_codes_are_as_promised(name: str, code: int) -> None:
    assert getattr(errors, name)("x").exit_code == code


def test_the_drawing_shows_every_error_under_its_parent_with_its_exit_code() -> None:
    drawn: dict[str, tuple[str, int]] = {}
    above: list[tuple[int, str, int]] = []  # depth, name, exit code
    for line in str(errors.__doc__).splitlines():
        found = re.match(r"([│├└─ ]*)([A-Z]\w+)(?: +exit (\d+))?(?: |$)", line)
        if found is None or not hasattr(errors, found.group(2)):
            continue
        depth = len(found.group(1))
        above = [parent for parent in above if parent[0] < depth]
        code = int(found.group(3) or above[-1][2])
        drawn[found.group(2)] = (above[-1][1] if above else "Exception", code)
        above.append((depth, found.group(2), code))
    ours = [kind for kind in tree() if kind.__module__ == errors.__name__]
    assert drawn == {kind.__name__: (kind.__bases__[0].__name__, kind.exit_code) for kind in ours}


def test_an_error_keeps_its_parts_apart() -> None:
    error = SignInError("No.", hint="Do this.", link="https://example.com", raw="AADSTS700016: no", code="AADSTS700016")
    assert (error.message, error.hint, error.link) == ("No.", "Do this.", "https://example.com")
    assert (error.raw, error.code, str(error)) == ("AADSTS700016: no", "AADSTS700016", "No.")


def test_an_error_without_a_hint_has_that_of_its_kind() -> None:
    assert "az login" in SignInError("No.").hint
    assert MlopsError("No.").hint == ""
    assert SignInError("No.", hint="Mine.").hint == "Mine."


def test_a_usage_error_lists_all_its_problems() -> None:
    error = UsageError("Two problems.", problems=("one", "two"))
    assert error.problems == ("one", "two")
    assert error.raw == "one\ntwo"
    assert UsageError("None listed.").raw == ""


def test_whoever_catches_the_root_catches_them_all() -> None:
    for kind in tree():
        with pytest.raises(MlopsError, match="gone"):
            raise kind("gone")
