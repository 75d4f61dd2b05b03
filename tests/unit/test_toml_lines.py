"""Which line a key stands on, whatever way it is written."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from mlops_tui.toml_lines import KeyPath, key_lines

EVERYTHING = '''# a comment with [brackets] and key = "value"
title = "a # no comment"  # a comment = with an equals sign

[servers]  # a header's comment
"quoted key" = 1
'literal.key' = 2
alpha.beta . "gamma" = 3
text = "a [table] in \\"text\\" # here"
literal = 'C:\\[folder]\\'
lines = """
[not.a.table]
key = "x"
\\""" still inside ""\"""
after = true
raw = \'\'\'
[[nor.this]]
''quotes\'\'\'\'\'
point = { x = 1, y = { z = 2 }, "w" = [1, 2] }
list = [
  1,   # one ]
  "]", # two
  [ 3, 4 ],
  { a = 1, b.c = 2 },
]
when = 1979-05-27 07:32:00  # a date with a space

[[fruit]]
name = "apple"

[fruit.physical]
colour = "red"

[[fruit.variety]]
name = "red delicious"

[[fruit.variety]]
name = "granny smith"

[[fruit]]
name = "banana"

[[fruit.variety]]
name = "plantain"

[a.b.c]
last = -0.5'''


def line_of(text: str, fragment: str) -> int:
    """The line that starts with `fragment`."""
    (number,) = [number for number, line in enumerate(text.split("\n"), 1) if line.strip().startswith(fragment)]
    return number


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_every_kind_of_key_is_found_on_its_line(ends: str) -> None:
    lines = key_lines(EVERYTHING.replace("\n", ends))
    expected: dict[KeyPath, str] = {
        ("title",): "title",
        ("servers",): "[servers]",
        ("servers", "quoted key"): '"quoted',
        ("servers", "literal.key"): "'literal",
        ("servers", "alpha"): "alpha.beta",
        ("servers", "alpha", "beta", "gamma"): "alpha.beta",
        ("servers", "literal"): "literal =",
        ("servers", "lines"): "lines =",
        ("servers", "after"): "after",
        ("servers", "raw"): "raw",
        ("servers", "point", "y", "z"): "point",
        ("servers", "list"): "list = [",
        ("servers", "list", 1): '"]", # two',
        ("servers", "list", 2, 1): "[ 3, 4 ]",
        ("servers", "list", 3, "b", "c"): "{ a = 1",
        ("servers", "when"): "when",
        ("fruit", 0, "name"): 'name = "apple"',
        ("fruit", 0, "physical", "colour"): "colour",
        ("fruit", 0, "variety", 1, "name"): 'name = "granny',
        ("fruit", 1, "name"): 'name = "banana"',
        ("fruit", 1, "variety", 0, "name"): 'name = "plantain"',
        ("a",): "[a.b.c]",
        ("a", "b", "c", "last"): "last",
    }
    for path, fragment in expected.items():
        assert lines[path] == line_of(EVERYTHING, fragment), path


def test_it_finds_what_the_standard_parser_finds_and_nothing_else() -> None:
    def paths(value: Any, path: KeyPath) -> set[KeyPath]:
        inside: dict[Any, Any] = {}
        if isinstance(value, dict):
            inside = value
        elif isinstance(value, list):
            inside = dict(enumerate(value))
        found = {path} if path else set()
        return found.union(*(paths(item, (*path, name)) for name, item in inside.items()))

    assert set(key_lines(EVERYTHING)) == paths(tomllib.loads(EVERYTHING), ())


def test_an_empty_text_and_empty_brackets_hold_no_keys() -> None:
    assert key_lines("") == {}
    assert key_lines("# nothing\n\n") == {}
    assert key_lines("a = []\nb = {}\nc = [ # none\n]\n") == {("a",): 1, ("b",): 2, ("c",): 3}


def test_what_is_no_toml_ends_with_an_error_instead_of_running_on() -> None:
    for text in ("= 1", "a = ", "[", 'a = "'):
        with pytest.raises(ValueError, match="line 1"):
            key_lines(text)
