"""A Dockerfile is read as Docker reads it, and what is wrong in it is said with its line."""

from __future__ import annotations

import pytest

from mlops_tui.sandbox.dockerfile import DockerfileError, Instruction, command, pairs, parse, words


def one(text: str) -> Instruction:
    return parse(f"FROM python:3.11\n{text}")[1]


def test_comments_continuations_and_directives_are_read() -> None:
    text = (
        "# syntax=docker/dockerfile:1\n\nARG VERSION=3.11\nfrom python:${VERSION}-slim as base\n"
        "RUN pip install \\\n  # why this one\n\n  -r requirements.txt\nCMD python serve.py"
    )
    found = parse(text)
    assert [(each.line, each.keyword) for each in found] == [(3, "ARG"), (4, "FROM"), (5, "RUN"), (9, "CMD")]
    assert found[2].text == "pip install -r requirements.txt"


def test_another_escape_continues_a_line() -> None:
    found = parse("# escape=`\nFROM python:3.11\nCOPY a `\n b\\\n")
    assert (found[1].keyword, found[1].text) == ("COPY", "a b\\")


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ("", 0, "empty"),
        ("# nothing\n", 0, "empty"),
        ("COPY a b\n", 1, "starts with FROM"),
        ("FROM python:3.11\n\nFRMO x", 3, "unknown instruction: FRMO"),
        ("FROM python:3.11\nRUN", 2, "requires at least one argument"),
        ("FROM python:3.11\nRUN <<EOF\npython x.py\nEOF", 2, "here-document"),
        ("# escape=x\nFROM python:3.11", 1, "invalid ESCAPE"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(text: str, line: int, why: str) -> None:
    with pytest.raises(DockerfileError, match=why) as caught:
        parse(text)
    assert caught.value.line == line


def test_words_know_quotes_escapes_and_variables() -> None:
    variables = {"NAME": "wine", "EMPTY": "", "TAG": "17"}
    text = r"""$NAME:${TAG} "two $NAME" '$NAME' a\ b \$NAME ${EMPTY:-none} ${NAME:+yes}${MISSING:-${TAG}} "" "c\d" """
    assert words(text, variables) == ["wine:17", "two wine", "$NAME", "a b", "$NAME", "none", "yes17", "", "c\\d"]


def test_an_open_quote_is_an_error() -> None:
    with pytest.raises(DockerfileError, match='matching "-quote'):
        words('COPY "a b', {})


def test_env_knows_both_of_its_forms() -> None:
    assert pairs(one('ENV A=1 B="two words" C=$X'), {"X": "x"}) == {"A": "1", "B": "two words", "C": "x"}
    assert pairs(one("ENV GREETING hello big world"), {}) == {"GREETING": "hello big world"}
    with pytest.raises(DockerfileError, match="can't find = in"):
        pairs(one("ENV A=1 B"), {})


def test_commands_know_exec_and_shell_form() -> None:
    assert command(one('CMD ["uvicorn", "serve:app"]')) == ("uvicorn", "serve:app")
    assert command(one("CMD uvicorn serve:app")) == ("/bin/sh", "-c", "uvicorn serve:app")
    assert command(one("CMD ['uvicorn']")) == ("/bin/sh", "-c", "['uvicorn']")  # JSON knows double quotes alone


def test_flags_are_kept_apart_from_words() -> None:
    found = one("COPY --chown=1000:1000 --chmod=755 a b")
    assert found.flags == (("chown", "1000:1000"), ("chmod", "755"))
    assert (found.text, found.shown) == ("a b", "COPY --chown=1000:1000 --chmod=755 a b")
