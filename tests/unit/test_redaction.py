"""What is secret is hidden in everything that is printed or written, however it is spelled."""

from __future__ import annotations

import base64
import json
import threading
from urllib.parse import quote

import pytest

from mlops_tui import redaction
from mlops_tui.redaction import MASK, redact, register, registered


@pytest.fixture(autouse=True)
def _nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test starts with no secret; what others registered comes back."""
    monkeypatch.setattr(redaction, "_known", set())
    monkeypatch.setattr(redaction, "_pattern", None)


def test_a_registered_secret_is_hidden_wherever_it_stands() -> None:
    register("s3cret-value")
    assert redact("a s3cret-value, s3cret-valueand s3cret-value") == f"a {MASK}, {MASK}and {MASK}"
    assert redact("nothing here") == "nothing here"


@pytest.mark.parametrize("secret", ["p@ss/w ord+=&%", 'with "quotes" \\ and \n lines', "Pa~8Q.~xYz_-", "пароль-秘密"])
def test_every_spelling_is_hidden(secret: str) -> None:
    register(secret)
    encoded = base64.b64encode(secret.encode()).decode()
    for spelling in (
        secret,
        quote(secret, safe=""),
        json.dumps(secret)[1:-1],
        encoded,
        encoded.rstrip("="),
        json.dumps({"client_secret": secret}),
        f"https://host/?secret={quote(secret, safe='')}&x=1",
    ):
        hidden = redact(f"<{spelling}>")
        assert MASK in hidden
        for part in (secret, quote(secret, safe=""), encoded.rstrip("=")):
            assert part not in hidden


def test_the_longer_of_two_secrets_is_hidden_whole() -> None:
    register("abcdef", "abcdefghij")
    assert redact("abcdefghij abcdef") == f"{MASK} {MASK}"


def test_what_only_begins_as_a_secret_is_shown_and_may_hold_one() -> None:
    register("aaaaaab", "abcdefgh")
    assert redact("aaaaaaac abcdefgi") == "aaaaaaac abcdefgi"
    assert redact("aaaaaaaab, abcdefabcdefgh") == f"aa{MASK}, abcdef{MASK}"


def test_secrets_are_no_patterns() -> None:
    register("a.*[b]$", "((((((")
    assert redact("a.*[b]$ (((((( axxb") == f"{MASK} {MASK} axxb"


def test_nothing_and_what_is_too_short_to_tell_from_a_word_are_passed_over() -> None:
    register(None, "", "wrong")
    assert registered() == frozenset()
    assert redact("wrong") == "wrong"


def test_tokens_are_hidden_even_if_nobody_registered_them() -> None:
    personal = "dapi" + "0123456789abcdef" * 2
    signed = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl"
    assert redact(f"{personal} {personal}-2 Bearer {signed}.") == f"{MASK} {MASK} Bearer {MASK}."
    assert redact("dapi is a prefix; dapi0123 too short") == "dapi is a prefix; dapi0123 too short"


@pytest.mark.parametrize(
    "unseen", ["\x1b[0m", "\x1b[1;31m", "\x1b]0;title\x07", "\r", "\x00", "\x08", "\x85", "\u200b", "\ufeff", "\u2028"]
)
def test_what_nobody_sees_does_not_carry_a_secret_past(unseen: str) -> None:
    """Terminals and screens leave it out, and show the rest side by side."""
    register("s3cret-value")
    for text in (f"a s3c{unseen}ret-value", f"s{unseen}3cret-valu{unseen}e!"):
        assert MASK in redact(text)
        assert "ret-val" not in redact(text)
    assert redact(f"a{unseen}b s3cret-value") == f"a{unseen}b {MASK}", "what hides nothing stays"
    assert redact(f"red{unseen} text\n") == f"red{unseen} text\n"


def test_redacting_twice_changes_nothing_more() -> None:
    register("s3cret-value")
    once = redact("s3cret-value")
    assert redact(once) == once == MASK


def test_reporters_can_ask_for_all_spellings() -> None:
    register("a b/c d")
    assert {"a b/c d", "a%20b%2Fc%20d", base64.b64encode(b"a b/c d").decode()} <= registered()


def test_many_threads_may_register_at_once() -> None:
    names = [f"secret-{number:04}" for number in range(200)]
    threads = [threading.Thread(target=register, args=names[start::4]) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert redact(" ".join(names)) == " ".join([MASK] * 200)
