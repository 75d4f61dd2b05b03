"""How requests travel to a Databricks workspace. Imports the SDK: import this module only where one is needed.

The SDK has one patience for everything and sends every request again after a broken connection. We want three things
of it: a dead host is told within seconds, a throttled call is waited for, and nothing that makes a new thing is sent
twice without looking.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests
from databricks.sdk.config import Config, ConfigAttribute
from databricks.sdk.credentials_provider import CredentialsProvider, CredentialsStrategy
from requests.adapters import HTTPAdapter
from urllib3.exceptions import NewConnectionError

from mlops_tui.clouds.databricks_errors import AnswerLostError
from mlops_tui.errors import ThrottledError, UnreachableError

if TYPE_CHECKING:
    from requests import PreparedRequest, Response

CONNECT_SECONDS = 4.0
ANSWER_SECONDS = 60.0  # the platform's own limit for most calls
DEAD_AFTER_SECONDS = 4.0  # how long nobody may answer the door before we say so
FORGET_OUTAGE_SECONDS = 30.0  # a failure longer ago belongs to another outage
THROTTLED_SECONDS = 90  # how long 429 and 503 are ridden out
CONNECTIONS = 32  # steps, log tails and their pools share one client

# These have no idempotency token and make one more thing each time they are asked.
NEVER_TWICE = re.compile(r"/api/2\.\d/(jobs|clusters|token)/create")


class GivenConfig(Config):
    """Takes what it is given, and nothing from the environment, ~/.databrickscfg or a probe of the host.

    All of those were read by our own settings already; a stray DATABRICKS_TOKEN must not change who we are.
    """

    @classmethod
    def attributes(cls) -> Iterable[ConfigAttribute]:
        return Config.attributes()  # the SDK looks for them in the class itself, not in what it derives from

    def _load_from_env(self) -> None:
        pass

    def _known_file_config_loader(self) -> None:
        pass

    def _resolve_host_metadata(self) -> None:
        pass


class BearerTokens(CredentialsStrategy):
    """Asks for a token before each request; whoever gives it keeps it fresh."""

    def __init__(self, name: str, token: Callable[[], str]) -> None:
        self._name = name
        self._token = token

    def auth_type(self) -> str:
        return self._name

    def __call__(self, cfg: Config) -> CredentialsProvider:
        return lambda: {"Authorization": f"Bearer {self._token()}"}


class Line(HTTPAdapter):
    """The connections to one host. Raises UnreachableError once it is dead, AnswerLostError where asking again is
    not safe; other failures go up to the SDK, which tries again."""

    def __init__(self, host: str, ca_bundle: str) -> None:
        super().__init__(pool_connections=4, pool_maxsize=CONNECTIONS, pool_block=True)
        self._host = host
        self._ca_bundle = ca_bundle
        self._on_this_machine = urlsplit(host).hostname in ("localhost", "127.0.0.1", "::1")
        self._lock = threading.Lock()
        self._down_since: float | None = None
        self._failed_at = 0.0

    def send(
        self,
        request: PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: bool | str = True,
        cert: Any = None,
        proxies: dict[str, str] | None = None,
    ) -> Response:
        begun = time.monotonic()
        try:
            response = super().send(
                request,
                stream=stream,
                timeout=(CONNECT_SECONDS, timeout),
                verify=self._ca_bundle or verify,
                cert=cert,
                proxies=None if self._on_this_machine else proxies,
            )
        except (requests.ConnectionError, requests.Timeout) as error:
            self._judge(request, error, begun)
            raise
        with self._lock:
            self._down_since = None
        self._mind_patience(response)
        return response

    def _judge(self, request: PreparedRequest, error: requests.RequestException, begun: float) -> None:
        """Raise where trying again is of no use or does harm."""
        if isinstance(error, requests.exceptions.SSLError):
            hint = "If a proxy inspects traffic here, name its certificate in REQUESTS_CA_BUNDLE; else check the host."
            raise UnreachableError(
                f"The certificate of {self._host} is not one that this machine trusts.", hint=hint, raw=str(error)
            ) from error
        if _was_sent(error) and request.method == "POST" and NEVER_TWICE.search(request.url or ""):
            raise AnswerLostError(
                f"The connection to {self._host} broke before the answer came; it may have been done.", raw=str(error)
            ) from error
        now = time.monotonic()
        with self._lock:
            if self._down_since is None or now - self._failed_at > FORGET_OUTAGE_SECONDS:
                self._down_since = begun
            self._failed_at = now
            dead = now - self._down_since >= DEAD_AFTER_SECONDS
        if dead:
            raise UnreachableError(f"Nobody answers at {self._host}.", raw=str(error)) from error

    def _mind_patience(self, response: Response) -> None:
        """The SDK sleeps as long as it is told to, be it an hour: say so instead."""
        wait = response.headers.get("Retry-After", "")
        if response.status_code in (429, 503) and wait.isdigit() and int(wait) > THROTTLED_SECONDS:
            response.close()
            raise ThrottledError(
                f"{self._host} asks to wait {wait} seconds.", hint="Run the same command again after that time."
            )


def _was_sent(error: requests.RequestException) -> bool:
    """Whether the request may have reached the service."""
    if isinstance(error, requests.ConnectTimeout):
        return False
    cause = error.args[0] if error.args else None
    return not isinstance(getattr(cause, "reason", None), NewConnectionError)
