"""Asking a served model: one connection kept open, the clock around each question, and what it refuses in its words.

`requests` is here through azure-core and databricks-sdk, which both need it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mlops_tui.clouds.translate import unreachable
from mlops_tui.errors import CloudError, SignInError, ThrottledError, UnreachableError
from mlops_tui.redaction import redact

if TYPE_CHECKING:
    import requests

    from mlops_tui.clouds.cloud import Cloud

Row = Mapping[str, int | float | str | None]
CONNECT_SECONDS, ANSWER_SECONDS = 3.0, 30.0
HEALTH_SECONDS = 2.0
LONGEST_RAW = 2000
DEPLOYMENT = "azureml-model-deployment"  # the header that asks one deployment alone, and tells which has answered
BROKEN = 424  # how a managed endpoint says that its container did not answer well …
MODELS_STATUS = "ms-azureml-model-error-statuscode"  # … and what it answered ("Troubleshoot online endpoints")
BUSY = (429, 503)


@dataclass(frozen=True)
class Scored:
    """A prediction a row, in the rows' order."""

    predictions: tuple[float, ...]
    milliseconds: float
    deployment: str = ""  # that has answered, where the endpoint says so


@dataclass(frozen=True)
class Health:
    """Whether somebody answers, and what was wrong otherwise."""

    well: bool
    detail: str = ""


class Scoring:
    """Safe from any thread."""

    def __init__(self, cloud: Cloud) -> None:
        import requests

        self._session = requests.Session()
        self._verify: str | bool = cloud.ca_bundle or True

    def score(self, url: str, key: str, rows: Sequence[Row], deployment: str = "") -> Scored:
        """Ask for the predictions of all rows at once. Raises SignInError, CloudError or UnreachableError."""
        columns = list(rows[0]) if rows else []
        body = {"dataframe_split": {"columns": columns, "data": [[row.get(name) for name in columns] for row in rows]}}
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if deployment:
            headers[DEPLOYMENT] = deployment
        content = json.dumps(body, allow_nan=False).encode()
        started = time.perf_counter()
        response = self._send("POST", url, ANSWER_SECONDS, headers, key, content)
        milliseconds = (time.perf_counter() - started) * 1000
        if response.status_code != 200:
            raise _refused(response, url)
        return Scored(_predictions(response, len(rows)), milliseconds, response.headers.get(DEPLOYMENT, deployment))

    def health(self, url: str) -> Health:
        """Whether a container answers at `url` that its model is loaded."""
        try:
            response = self._send("GET", url, HEALTH_SECONDS)
        except UnreachableError as error:
            return Health(False, error.message)
        return Health(response.ok, "" if response.ok else f"it answers {response.status_code} {response.reason}")

    def door(self, url: str) -> Health:
        """Whether an online endpoint answers at all: without a key it must say no, and nothing worse."""
        try:
            response = self._send("POST", url, HEALTH_SECONDS, {"Content-Type": "application/json"}, "", b"{}")
        except UnreachableError as error:
            return Health(False, error.message)
        status = _status(response)
        well = status < 500 and status != BROKEN
        return Health(well, "" if well else f"it answers {status}")

    def close(self) -> None:
        self._session.close()

    def _send(
        self,
        method: str,
        url: str,
        seconds: float,
        headers: Mapping[str, str] | None = None,
        key: str = "",
        content: bytes | None = None,
    ) -> requests.Response:
        import requests

        try:
            return self._session.request(
                method,
                url,
                data=content,
                headers=headers,
                auth=_bearer(key),
                timeout=(min(CONNECT_SECONDS, seconds), seconds),
                allow_redirects=False,  # the key is for this address
                verify=self._verify,
            )
        except requests.RequestException as error:
            raise unreachable(f"the endpoint at {place(url)}", redact(str(error))) from error


def place(url: str) -> str:
    """ "wine.example:5001" of "http://wine.example:5001/score"."""
    return urlsplit(url).netloc or url


def _bearer(key: str) -> Callable[[requests.PreparedRequest], requests.PreparedRequest]:
    """Adds the key, or nothing. Without it, requests would look for a password in ~/.netrc."""

    def add(request: requests.PreparedRequest) -> requests.PreparedRequest:
        if key:
            request.headers["Authorization"] = f"Bearer {key}"
        return request

    return add


def _predictions(response: requests.Response, rows: int) -> tuple[float, ...]:
    try:
        answer = response.json()
    except ValueError as error:
        raise _odd(response, "no JSON") from error
    found = answer.get("predictions") if isinstance(answer, dict) else None
    if not isinstance(found, list):
        raise _odd(response, 'no list of "predictions"')
    # A model may answer each row with a list of one.
    flat = [one[0] if isinstance(one, list) and len(one) == 1 else one for one in found]
    if len(flat) != rows:
        raise _odd(response, f"{len(flat)} predictions for {rows} rows")
    if not all(isinstance(one, int | float | None) for one in flat):
        raise _odd(response, "predictions that are no numbers")
    return tuple(float("nan") if one is None else float(one) for one in flat)


def _odd(response: requests.Response, what: str) -> CloudError:
    return CloudError(
        f"The endpoint at {place(response.url)} answered with {what}.", raw=redact(response.text)[:LONGEST_RAW]
    )


def _refused(response: requests.Response, url: str) -> Exception:
    """Why there are no predictions, in the endpoint's own words where it has some."""
    about = f"The endpoint at {place(url)}"
    raw = redact(response.text)[:LONGEST_RAW]
    status = _status(response)
    sentence = _sentence(response)
    if status in (401, 403):
        hint = "The key may have been changed: run the same command again; it is read anew each time."
        return SignInError(f"{about} refuses the key ({status}). {sentence}".rstrip(), hint=hint, raw=raw)
    if status in BUSY:
        return ThrottledError(f"{about} is busy ({status}). {sentence}".rstrip(), raw=raw)
    if status >= 500 or status in (404, BROKEN):
        hint = "Its log says why: `mlops-tui logs staging`, or `mlops-tui logs production`."
        return UnreachableError(f"{about} does not work ({status}). {sentence}".rstrip(), hint=hint, raw=raw)
    if status < 400:
        return CloudError(f"{about} sends elsewhere ({status}); it was not followed.", raw=raw)
    return CloudError(
        f"{about} cannot score these rows ({status}). {sentence}".rstrip(),
        hint="Give the columns that the model was trained with; `mlops-tui try` shows them.",
        raw=raw,
    )


def _status(response: requests.Response) -> int:
    """As the container answered, where the endpoint in front of it says so."""
    told = response.headers.get(MODELS_STATUS, "") if response.status_code == BROKEN else ""
    return int(told) if told.isdecimal() else response.status_code


def _sentence(response: requests.Response) -> str:
    """The first line of what it says: of {"error": …}, {"error": {"message": …}}, {"message": …}, or plain text."""
    try:
        said: Any = response.json()
    except ValueError:
        said = response.text if "text/plain" in response.headers.get("Content-Type", "") else ""
    for name in ("error", "message"):
        if isinstance(said, dict):
            said = said.get(name, said)
    lines = str(said).strip().splitlines() if isinstance(said, str) else []
    return redact(lines[0][:500]) if lines else ""
