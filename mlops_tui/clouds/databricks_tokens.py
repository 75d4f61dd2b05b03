"""Personal access tokens of whoever is signed in (Databricks REST reference, Token 2.0)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mlops_tui import redaction
from mlops_tui.clouds.databricks_errors import AnswerLostError, speaking_of
from mlops_tui.errors import NotFoundError

if TYPE_CHECKING:
    from mlops_tui.clouds.databricks import Databricks

WHAT = "the personal access tokens"
DAY = 86_400  # seconds


@dataclass(frozen=True)
class AccessToken:
    """What is shown of a token after it was made; its value is not."""

    id: str
    comment: str
    expires: datetime | None  # None: never


class AccessTokens:
    """Those of the caller in one workspace; nobody sees another's here."""

    def __init__(self, databricks: Databricks) -> None:
        self._databricks = databricks

    def list(self) -> tuple[AccessToken, ...]:
        """The expired ones, too, as long as the workspace remembers them."""
        with speaking_of(WHAT):
            listed = list(self._databricks.client.tokens.list())
        return tuple(
            AccessToken(token.token_id or "", token.comment or "", _moment(token.expiry_time)) for token in listed
        )

    def create(self, comment: str, days: int) -> str:
        """A new token's value, registered as a secret. It is told this once: where the answer is lost on its way, the
        token that nobody knows is taken back and another one made."""
        before = {token.id for token in self.list()}
        try:
            return self._ask(comment, days)
        except AnswerLostError:
            for token in self.list():
                if token.id not in before and token.comment == comment:
                    self.delete(token.id)
            return self._ask(comment, days)

    def delete(self, token_id: str) -> bool:
        """It opens nothing from now on; False where it is gone already."""
        try:
            with speaking_of(f"the personal access token {token_id}"):
                self._databricks.client.tokens.delete(token_id)
        except NotFoundError:
            return False
        return True

    def _ask(self, comment: str, days: int) -> str:
        with speaking_of("a personal access token"):
            made = self._databricks.client.tokens.create(comment=comment, lifetime_seconds=days * DAY)
        value = made.token_value or ""
        redaction.register(value)
        return value


def _moment(milliseconds: int | None) -> datetime | None:
    """The service says -1 for never."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC) if milliseconds and milliseconds > 0 else None
