"""The environment in which other people's clients (az, the Databricks CLI, mlflow, SDKs) talk to the sandbox."""

from __future__ import annotations

import base64
import json
import os
import ssl
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from mlops_tui.sandbox.process import Address

TOKEN_DAYS = 30
DATABRICKS_SCOPE = "2ff814a6-3304-4ab8-85cd-cd0e6f879c1d/.default"


def environment(folder: Path, address: Address) -> dict[str, str]:
    """Names and values to export. The Databricks token is there once the workspace is; it is kept, and made anew late.

    Raises OSError when the sandbox does not answer.
    """
    ca = str(folder / "ca.pem")
    owner = json.loads((folder / "credentials.json").read_text())
    exports = {
        "REQUESTS_CA_BUNDLE": ca,
        "CURL_CA_BUNDLE": ca,
        "SSL_CERT_FILE": ca,
        "GIT_SSL_CAINFO": ca,
        "AZURE_AUTHORITY_HOST": address.origin,
        "AZURE_CORE_INSTANCE_DISCOVERY": "false",
        "AZURE_CORE_COLLECT_TELEMETRY": "no",
        "AZURE_CORE_LOGIN_EXPERIENCE_V2": "off",
        "AZURE_EXTENSION_USE_DYNAMIC_INSTALL": "no",
        "MLFLOW_TRACKING_URI": "databricks",
        "MLFLOW_REGISTRY_URI": "databricks",  # the workspace's; mlflow by itself asks Unity Catalog ("databricks-uc")
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DATABRICKS_HOST": address.origin,
    }
    exports |= _hosts(address.origin, owner["azure_devops_token"], owner["github_token"])
    for name in ("tenant_id", "client_id", "client_secret", "subscription_id"):
        exports[f"ARM_{name.upper()}"] = exports[f"AZURE_{name.upper()}"] = owner[name]
    token = _workspace_token(folder, address, owner)
    if token:
        # One way in for the Databricks tools; with ARM_… beside it they would ask which.
        exports |= {"DATABRICKS_TOKEN": token, "DATABRICKS_AUTH_TYPE": "pat"}
    return exports


def _hosts(origin: str, azure_devops: str, github: str) -> dict[str, str]:
    """For `gh`, and for git, which is told by address who it is (git-config: http.<url>.extraHeader).

    The narrower address comes first: git lets no wider one add to it afterwards.
    """
    headers = {
        f"http.{origin}/devops/.extraHeader": _basic("", azure_devops),
        f"http.{origin}/.extraHeader": _basic("x-access-token", github),
    }
    exports = {
        "AZURE_DEVOPS_EXT_PAT": azure_devops,
        "GH_HOST": origin.removeprefix("https://"),
        "GH_ENTERPRISE_TOKEN": github,
        "GIT_CONFIG_COUNT": str(len(headers)),
    }
    for number, (key, value) in enumerate(headers.items()):
        exports |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return exports


def _basic(name: str, password: str) -> str:
    return f"Authorization: Basic {base64.b64encode(f'{name}:{password}'.encode()).decode()}"


def _workspace_token(folder: Path, address: Address, owner: dict[str, str]) -> str:
    """A personal access token for the workspace; empty where there is no workspace yet."""
    kept = folder / "databricks-token"
    if kept.exists() and _accepted(folder, address, token := kept.read_text()):
        return token
    form = {
        "grant_type": "client_credentials",
        "client_id": owner["client_id"],
        "client_secret": owner["client_secret"],
        "scope": DATABRICKS_SCOPE,
    }
    data = urllib.parse.urlencode(form).encode()
    entra = _post(folder, f"{address.origin}/{owner['tenant_id']}/oauth2/v2.0/token", data, {})
    wanted = json.dumps({"comment": "mlops-tui sandbox env", "lifetime_seconds": TOKEN_DAYS * 86_400}).encode()
    try:
        made = _post(
            folder,
            f"{address.origin}/api/2.0/token/create",
            wanted,
            {"Authorization": f"Bearer {entra['access_token']}"},
        )
    except urllib.error.HTTPError as error:
        if error.code in (400, 403, 404):  # no workspace that this principal may use
            return ""
        raise
    value: str = made["token_value"]
    with os.fdopen(os.open(kept, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(value)
    return value


def _accepted(folder: Path, address: Address, token: str) -> bool:
    try:
        _post(folder, f"{address.origin}/api/2.0/token/list", None, {"Authorization": f"Bearer {token}"})
    except urllib.error.HTTPError:
        return False
    return True


def _post(folder: Path, url: str, data: bytes | None, headers: dict[str, str]) -> Any:
    """POST, or GET where there is no data; the JSON answer."""
    context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    with opener.open(urllib.request.Request(url, data=data, headers=headers), timeout=10) as response:  # noqa: S310
        return json.loads(response.read() or b"{}")
