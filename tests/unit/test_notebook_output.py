"""What a notebook prints reaches the file without its secrets and up to the limit."""

from __future__ import annotations

import random
import stat
from pathlib import Path

from mlops_tui.sandbox.notebooks.output import OutputFile, Redactor


def test_a_secret_is_found_however_the_stream_is_cut() -> None:
    secrets = ("s3cret-token", "s3cret-token-2", "token-2 of", "line one\nline two")
    text = b"a s3cret-token b s3cret-token-2 of c\nline one\nline two s3cret-toke\n"
    whole = Redactor(secrets)
    expected = whole.feed(text) + whole.finish()
    assert expected == b"a [REDACTED] b [REDACTED] of c\n[REDACTED] s3cret-toke\n"
    dice = random.Random(7)
    for _ in range(300):
        redactor, shown, rest = Redactor(secrets), b"", text
        while rest:
            size = dice.randint(1, 9)
            shown += redactor.feed(rest[:size])
            rest = rest[size:]
        assert shown + redactor.finish() == expected


def test_a_secret_is_hidden_in_the_forms_that_python_prints() -> None:
    redactor = Redactor(['pass"word\\1'])
    assert redactor.text(repr(['pass"word\\1'])) == "['[REDACTED]']"
    assert redactor.text('{"key": "pass\\"word\\\\1"}') == '{"key": "[REDACTED]"}'


def test_output_is_written_line_by_line_and_private(tmp_path: Path) -> None:
    path = tmp_path / "output.txt"
    output = OutputFile(path, ["hidden"], 1000)
    output.write(b"one\ntw")
    assert path.read_text() == "one\n"
    output.tick()
    assert path.read_text() == "one\ntw"
    output.write(b"o hid")
    output.tick()
    assert path.read_text() == "one\ntwo "  # "hid" may become a secret
    output.write(b"den\n")
    output.close()
    assert path.read_text() == "one\ntwo [REDACTED]\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_output_beyond_the_limit_is_dropped_with_a_notice(tmp_path: Path) -> None:
    path = tmp_path / "output.txt"
    output = OutputFile(path, [], 10)
    for _ in range(5):
        output.write(b"1234567\n")
    output.close()
    assert path.read_text() == "1234567\n12\n*** WARNING: max output size exceeded, skipping output. ***\n"
