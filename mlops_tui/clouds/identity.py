"""Who signs in, and how: one credential for every client of a command, its tokens kept until they run out.

The project holds what the settings found (ARM_… and AZURE_… among them). The environment is asked only for what CI
hosts offer beside that.
"""

from __future__ import annotations

import base64
import binascii
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlops_tui import redaction
from mlops_tui.clouds.advice import WAYS
from mlops_tui.clouds.federated import Federated, federated_token
from mlops_tui.clouds.federated_subject import SubjectExplained
from mlops_tui.clouds.patience import transport_options
from mlops_tui.clouds.translate import speaking_of
from mlops_tui.errors import SignInError
from mlops_tui.pipelines import names

if TYPE_CHECKING:
    from azure.core.credentials import AccessToken, TokenCredential

    from mlops_tui.clouds.cloud import Cloud
    from mlops_tui.project import Project

logging.getLogger("azure").addHandler(logging.NullHandler())  # its errors are ours to tell, once, and not on stderr
EARLY = 300.0  # seconds before its end that a token is no longer given out
CLI_SECONDS = 30  # `az` on a slow machine
DEVICE_CODE = "To sign in, open {url} in any browser and enter the code {code}"
BROWSER = "To sign in, use the page that your browser opens now; it waits for five minutes"
Prompt = Callable[[str], None]


@dataclass(frozen=True)
class Caller:
    """Whom a token speaks for, read from its claims (Entra's access tokens, v1.0 and v2.0)."""

    object_id: str
    name: str  # a user's principal name; an application's id
    tenant_id: str
    is_user: bool


class Identity:
    """The credential that the project's settings and the environment lead to. Nothing is called before a token is."""

    def __init__(
        self,
        project: Project,
        cloud: Cloud,
        environment: Mapping[str, str] | None = None,
        prompt: Prompt | None = None,
    ) -> None:
        """`prompt` shows what signing in takes (a device code) to whoever is there; None where nobody is."""
        self.cloud = cloud
        self._prompt = prompt
        self._lock = threading.Lock()
        self._credential: KeepingCredential | None = None
        environment = os.environ if environment is None else environment
        self._client_id = project.client_id
        self._tenant_id = project.tenant_id
        self._secret = project.client_secret
        self._contexts = names.job_contexts(project)
        self._federated = Federated.find(project.federated_token_file, environment, cloud)
        redaction.register(self._secret)
        self.method = self._auto() if project.sign_in == "auto" else project.sign_in

    @property
    def credential(self) -> KeepingCredential:
        """For every SDK; safe from any thread. Raises SignInError where a setting is missing."""
        with self._lock:
            if self._credential is None:
                self._credential = KeepingCredential(self._make())
            return self._credential

    def token(self, scope: str) -> str:
        """An access token for one audience. Raises SignInError, UnreachableError."""
        with speaking_of("the sign-in"):
            return self.credential.get_token(scope).token

    def caller(self) -> Caller:
        """Who is signed in, by the token for Azure Resource Manager."""
        return read_caller(self.token(self.cloud.resource_manager_scope))

    def close(self) -> None:
        with self._lock:
            if self._credential is not None:
                self._credential.close()

    def _auto(self) -> str:
        """The first way that is prepared; the Azure CLI's session is the last resort, and is for real clouds only."""
        if self._secret:
            return "environment"
        if self._federated:
            return "federated"
        return "cli" if self.cloud.trusts_public_discovery else "environment"

    def _make(self) -> TokenCredential:
        makers: dict[str, Callable[[], TokenCredential]] = {
            "environment": self._with_secret,
            "federated": self._with_assertion,
            "cli": self._with_cli,
            "browser": self._with_browser,
            "device-code": self._with_device_code,
        }
        return makers[self.method]()

    def _with_secret(self) -> TokenCredential:
        from azure.identity import ClientSecretCredential

        self._need(tenant_id=self._tenant_id, client_id=self._client_id, client_secret=self._secret)
        return ClientSecretCredential(self._tenant_id, self._client_id, self._secret, **self._options())

    def _with_assertion(self) -> TokenCredential:
        from azure.identity import ClientAssertionCredential

        self._need(tenant_id=self._tenant_id, client_id=self._client_id)
        source = self._federated
        if source is None:
            raise SignInError("There is no federated token to sign in with.", hint=WAYS)
        signing_in = ClientAssertionCredential(
            self._tenant_id, self._client_id, lambda: federated_token(source), **self._options()
        )
        return SubjectExplained(signing_in, self._contexts)

    def _with_cli(self) -> TokenCredential:
        from azure.identity import AzureCliCredential

        return AzureCliCredential(tenant_id=self._tenant_id, process_timeout=CLI_SECONDS)

    def _with_browser(self) -> TokenCredential:
        from azure.identity import InteractiveBrowserCredential

        if self._prompt is not None:
            self._prompt(BROWSER)
        return InteractiveBrowserCredential(**self._tenant(), **self._options(), timeout=300)

    def _with_device_code(self) -> TokenCredential:
        from azure.identity import DeviceCodeCredential

        def show(url: str, code: str, _: object) -> None:
            if self._prompt is None:
                raise SignInError("A device code needs a person, and nobody is there to read it.", hint=WAYS)
            self._prompt(DEVICE_CODE.format(url=url, code=code))

        return DeviceCodeCredential(prompt_callback=show, **self._tenant(), **self._options())

    def _tenant(self) -> dict[str, Any]:
        return {"tenant_id": self._tenant_id} if self._tenant_id else {}

    def _options(self) -> dict[str, Any]:
        return {
            "authority": self.cloud.authority,
            "disable_instance_discovery": not self.cloud.trusts_public_discovery,
            **transport_options(self.cloud),
        }

    def _need(self, **values: str) -> None:
        missing = [name for name, value in values.items() if not value]
        if missing:
            raise SignInError(f"Signing in this way needs {', '.join(missing)}.", hint=WAYS)


class KeepingCredential:
    """A TokenCredential around another: one token a scope, kept until shortly before its end, fetched one at a time.

    Some credentials keep nothing themselves (the Azure CLI's starts a process for each token), and each of our clients
    would ask anew. One at a time, because a person who signs in must be asked once: what they answered then serves the
    other scopes too.
    """

    def __init__(self, inner: TokenCredential) -> None:
        self._inner = inner
        self._lock = threading.Lock()
        self._kept: dict[tuple[tuple[str, ...], str | None], AccessToken] = {}

    def get_token(
        self,
        *scopes: str,
        claims: str | None = None,
        tenant_id: str | None = None,
        enable_cae: bool = False,
        **kwargs: Any,
    ) -> AccessToken:
        """A token with at least five minutes to live. `claims` come with a refusal: then a kept one will not do."""
        key = (scopes, tenant_id)
        with self._lock:
            kept = self._kept.get(key)
            if kept is not None and claims is None and kept.expires_on - EARLY > time.time():
                return kept
            token = self._inner.get_token(*scopes, claims=claims, tenant_id=tenant_id, enable_cae=enable_cae, **kwargs)
            redaction.register(token.token)
            self._kept[key] = token
            return token

    def close(self) -> None:
        close = getattr(self._inner, "close", None)
        if close is not None:
            close()


def read_caller(token: str) -> Caller:
    """The claims of an access token; its signature is the service's to check. Raises SignInError on anything else."""
    try:
        body = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        object_id, tenant_id = str(claims["oid"]), str(claims["tid"])
    except (IndexError, KeyError, TypeError, ValueError, binascii.Error) as error:
        raise SignInError("The access token does not say whom it is for.") from error
    is_user = claims.get("idtyp", "user" if "scp" in claims else "app") == "user"
    names = ("upn", "preferred_username", "unique_name", "name") if is_user else ("appid", "azp")
    return Caller(object_id, next((str(claims[name]) for name in names if claims.get(name)), ""), tenant_id, is_user)
