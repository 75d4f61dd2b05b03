"""What tracked runs and their models keep as files (MLflow REST API 2.0): their names, and what is in one of them.

The files are in cloud storage that the workspace alone can open. It hands out signed addresses: whoever holds one may
fetch that one file for a while, so that our own token must not go there, and the address into no log.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mlops_tui.clouds.databricks_errors import speaking_of
from mlops_tui.errors import CloudError, NotFoundError, UnreachableError

if TYPE_CHECKING:
    import requests

    from mlops_tui.clouds.databricks import Databricks

Query = dict[str, Any]
FOLDERS = 100  # looked into, at most: each is a call
CONNECT_SECONDS, READ_SECONDS = 4.0, 30.0
CHUNK = 1 << 16  # bytes


class Artifacts:
    def __init__(self, databricks: Databricks) -> None:
        self._databricks = databricks

    def of_run(self, run_id: str, limit: int) -> tuple[str, ...]:
        """Paths of files below the run's artifact folder, sorted; `limit` at most. Raises NotFoundError."""
        with speaking_of(f"the artifacts of the tracked run {run_id}"):
            return self._below("mlflow/artifacts/list", "path", {"run_id": run_id}, limit)

    def of_model(self, model_id: str, limit: int) -> tuple[str, ...]:
        """The same of a logged model (MLflow 3): its files are not its run's."""
        with speaking_of(f"the artifacts of the model {model_id}"):
            path = f"mlflow/logged-models/{model_id}/artifacts/directories"
            return self._below(path, "artifact_directory_path", {}, limit)

    def model_name(self, model_id: str) -> str:
        """The name by which its run's artifacts have it ("model"). Raises NotFoundError."""
        with speaking_of(f"the model {model_id}"):
            found = self._ask("GET", f"mlflow/logged-models/{model_id}")
        return str(found.get("model", {}).get("info", {}).get("name", ""))

    def read(self, run_id: str, path: str, most: int) -> bytes:
        """A file of a run. Raises NotFoundError, and CloudError where it is longer than `most` bytes."""
        what = f"the artifact {path} of the tracked run {run_id}"
        with speaking_of(what):
            asked = {"run_id": run_id, "path": [path]}
            given = self._ask("POST", "mlflow/artifacts/credentials-for-read", body=asked).get("credential_infos", [])
        if not given:
            raise NotFoundError(f"There is no {what.removeprefix('the ')}.")
        headers = {str(one["name"]): str(one["value"]) for one in given[0].get("headers") or []}
        return self._fetch(str(given[0].get("signed_uri", "")), headers, what, most)

    def _below(self, path: str, parameter: str, query: Query, limit: int) -> tuple[str, ...]:
        """Breadth first, so that what a long listing leaves out is what lies deepest."""
        files: list[str] = []
        folders = deque([""])
        looked = 0
        while folders and len(files) < limit and looked < FOLDERS:
            folder = folders.popleft()
            looked += 1
            for one in self._listed(path, query | ({parameter: folder} if folder else {})):
                (folders if one.get("is_dir") else files).append(str(one["path"]))
        return tuple(sorted(files[:limit]))

    def _listed(self, path: str, query: Query) -> list[Query]:
        found: list[Query] = []
        token = ""
        while True:
            page = self._ask("GET", path, query=query | ({"page_token": token} if token else {}))
            found += page.get("files") or []
            token = page.get("next_page_token") or ""
            if not token:
                return found

    def _fetch(self, uri: str, headers: dict[str, str], what: str, most: int) -> bytes:
        """From cloud storage. No error may repeat the address: it is a key."""
        import requests

        if urlsplit(uri).scheme != "https":
            raise CloudError(f"Databricks gave no safe address for {what}.")
        try:
            with requests.get(
                uri,
                headers=headers,
                auth=_nobody,
                stream=True,
                allow_redirects=False,
                timeout=(CONNECT_SECONDS, READ_SECONDS),
                verify=self._databricks.cloud.ca_bundle or True,
            ) as response:
                return _taken(response, what, most)
        except requests.RequestException as error:
            host = urlsplit(uri).hostname
            raise UnreachableError(
                f"The storage {host} did not answer for {what}.",
                hint="It may be open to some networks alone: look at the run's page in the workspace instead.",
                raw=type(error).__name__,
            ) from None

    def _ask(self, method: str, path: str, query: Query | None = None, body: Query | None = None) -> Query:
        answer = self._databricks.client.api_client.do(method, f"/api/2.0/{path}", query=query, body=body)
        return answer if isinstance(answer, dict) else {}


def _nobody(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Adds nothing: without it, requests would look for a password in ~/.netrc."""
    return request


def _taken(response: requests.Response, what: str, most: int) -> bytes:
    if response.status_code == 404:
        raise NotFoundError(f"There is no {what.removeprefix('the ')}.")
    if response.status_code != 200:
        raise CloudError(f"The storage refused {what}: {response.status_code} {response.reason}.")
    content = b""
    for chunk in response.iter_content(CHUNK):
        content += chunk
        if len(content) > most:
            raise CloudError(f"Too long to be read here: {what} has more than {most:,} bytes.")
    return content
