"""Microsoft Entra ID's token endpoint: who may have an access token, and for what.

Shapes: OAuth 2.0 client credentials, device authorization and refresh on the Microsoft identity platform.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from typing import Any

from mlops_tui.sandbox import oauth, seed
from mlops_tui.sandbox.api import Body, Call, Endpoint, Principal, Service
from mlops_tui.sandbox.assertions import check_assertion
from mlops_tui.sandbox.dialects import OPEN
from mlops_tui.sandbox.directory import Directory, Entity, is_valid_now
from mlops_tui.sandbox.tokens import LIFETIME

REFRESH_LIFETIME = 90 * 24 * 3600  # seconds, Entra's own
# Public clients that every tenant knows: the Azure CLI (azure-identity's default, too), Azure PowerShell, VS Code.
PUBLIC_CLIENTS = {
    "04b07795-8ddb-461a-bbee-02f9e1bf7b46": "Microsoft Azure CLI",
    "1950a258-227b-4e31-a9cf-717495945fc2": "Microsoft Azure PowerShell",
    "aebc6443-996d-45c2-90f0-388ff96faa56": "Visual Studio Code",
}
DEVICE_GRANTS = ("urn:ietf:params:oauth:grant-type:device_code", "device_code")


class Entra(Service):
    """/{tenant}/oauth2/v2.0/token and /{tenant}/oauth2/token; plants the directory's first objects on start."""

    dialect = OPEN

    def routes(self) -> list[Endpoint]:
        return [
            self.on("POST", "/{tenant}/oauth2/v2.0/token", self.token),
            self.on("POST", "/{tenant}/oauth2/token", self.token),
        ]

    def start(self) -> None:
        seed.plant(self.sandbox)

    def token(self, call: Call) -> Body:
        oauth.check_tenant(self.sandbox, call.params["tenant"])
        form = call.form()
        grant = oauth.need(form, "grant_type")
        if grant == "client_credentials":
            return self._for_client(call, form)
        if grant in DEVICE_GRANTS:
            return self._for_device(form)
        if grant == "refresh_token":
            return self._for_refresh(form)
        raise oauth.refused("unsupported_grant_type", 70003, f"The app requested an unsupported grant type '{grant}'.")

    def _for_client(self, call: Call, form: dict[str, str]) -> Body:
        """An application signs in as itself, by its secret or by an assertion of somebody it trusts."""
        client_id, client_secret = _client_of(call, form)
        application = self._application(client_id)
        if call.params["tenant"].lower() in ("common", "organizations"):
            why = (
                "No tenant-identifying information found in either the request or implied by any provided credentials."
            )
            raise oauth.refused("invalid_request", 50059, why)
        if assertion := form.get("client_assertion"):
            credentials = Directory(self.store).federated_credentials(application)
            check_assertion(self.sandbox, application, credentials, assertion)
        elif client_secret:
            self._check_secret(application, client_secret)
        else:
            raise _no_credential()
        audience = oauth.audience(self.sandbox, form, is_user=False)
        found = Directory(self.store).service_principal_of(application["appId"])
        principal = Directory(self.store).principal(found["id"]) if found else None
        if principal is None:
            raise _unknown_application(client_id)
        call.principal = principal
        return _answer(self.sandbox.tokens.mint(principal, audience))

    def _application(self, client_id: str) -> Entity:
        application = Directory(self.store).application_of(client_id)
        if application is None:
            raise _unknown_application(client_id)
        return application

    def _check_secret(self, application: Entity, value: str) -> None:
        credential = Directory(self.store).secret_named(application, value)
        app = application["appId"]
        if credential is None:
            why = (
                "Invalid client secret provided. Ensure the secret being sent in the request is the client secret "
                f"value, not the client secret ID, for a secret added to app '{app}'."
            )
            raise oauth.refused("invalid_client", 7000215, why, 401)
        if not is_valid_now(credential):
            why = (
                f"The provided client secret keys for app '{app}' are expired. Visit the Azure portal to create new "
                "keys for your app: https://aka.ms/NewClientSecret, or consider using certificate credentials for "
                "added security: https://aka.ms/certCreds."
            )
            raise oauth.refused("invalid_client", 7000222, why, 401)

    def check_public_client(self, client_id: str) -> None:
        """Who may sign a person in without a secret: the well-known clients, and applications that say so."""
        if client_id in PUBLIC_CLIENTS:
            return
        if not self._application(client_id).get("isFallbackPublicClient"):
            raise _no_credential()

    def _for_device(self, form: dict[str, str]) -> Body:
        """The person has opened the page and typed the code, or has not yet (see `device_login`)."""
        from mlops_tui.sandbox.device_login import DeviceLogin

        client_id = oauth.need(form, "client_id")
        self.check_public_client(client_id)
        code = form.get("device_code") or form.get("code") or oauth.need(form, "device_code")
        asked = self.sandbox.find(DeviceLogin).redeem(code, client_id)
        return self._for_person(asked["user_id"], client_id, {"scope": asked["scope"]} | form)

    def _for_refresh(self, form: dict[str, str]) -> Body:
        client_id, value = oauth.need(form, "client_id"), oauth.need(form, "refresh_token")
        kept = self.store.get("refresh-token", _digest(value))
        if kept is None or kept["client_id"] != client_id:
            raise oauth.refused("invalid_grant", 9002313, "Invalid request. Request is malformed or invalid.")
        if kept["expires"] < time.time():
            why = "The refresh token has expired due to inactivity. The token was issued for 90 days."
            raise oauth.refused("invalid_grant", 700082, why)
        return self._for_person(kept["user_id"], client_id, {"scope": kept["scope"]} | form)

    def _for_person(self, user_id: str, client_id: str, form: dict[str, str]) -> Body:
        user = Directory(self.store).principal(user_id)
        if user is None:
            why = f"The user account {user_id} does not exist in the directory. To sign into this application, the "
            raise oauth.refused("invalid_grant", 50034, why + "account must be added to the directory.")
        person = Principal(user.object_id, user.name, user.display_name, is_user=True, app_id=client_id)
        audience = oauth.audience(self.sandbox, form, is_user=True)
        for key, kept in self.store.items("refresh-token"):
            if kept["expires"] < time.time():
                self.store.delete("refresh-token", key)
        refresh = "1." + secrets.token_urlsafe(48)
        granted = {"client_id": client_id, "user_id": user_id, "scope": form["scope"]}
        self.store.put("refresh-token", _digest(refresh), granted | {"expires": time.time() + REFRESH_LIFETIME})
        info = json.dumps({"uid": user.object_id, "utid": self.sandbox.tenant_id}).encode()
        return _answer(self.sandbox.tokens.mint(person, audience)) | {
            "scope": f"{audience.rstrip('/')}/user_impersonation {audience.rstrip('/')}/.default",
            "refresh_token": refresh,
            "id_token": self._id_token(person, client_id),
            "client_info": base64.urlsafe_b64encode(info).rstrip(b"=").decode(),
        }

    def _id_token(self, person: Principal, client_id: str) -> str:
        now = int(time.time())
        claims: dict[str, Any] = {
            "aud": client_id,
            "iss": f"{self.sandbox.origin}/{self.sandbox.tenant_id}/v2.0",
            "iat": now,
            "nbf": now,
            "exp": now + LIFETIME,
            "oid": person.object_id,
            "sub": person.object_id,
            "tid": self.sandbox.tenant_id,
            "preferred_username": person.name,
            "name": person.display_name,
            "ver": "2.0",
        }
        return self.sandbox.tokens.sign(claims)


def _answer(token: str) -> Body:
    lasts = LIFETIME - 1
    return {"token_type": "Bearer", "expires_in": lasts, "ext_expires_in": lasts, "access_token": token}


def _client_of(call: Call, form: dict[str, str]) -> tuple[str, str]:
    """Client id and secret, from the form or from a Basic header (client_secret_basic)."""
    from urllib.parse import unquote

    scheme, _, rest = call.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            name, _, value = base64.b64decode(rest).decode().partition(":")
        except ValueError as error:
            raise oauth.refused("invalid_client", 900023, "The Authorization header is malformed.", 401) from error
        return unquote(name), unquote(value)
    return oauth.need(form, "client_id"), form.get("client_secret", "")


def _unknown_application(client_id: str) -> Exception:
    why = (
        f"Application with identifier '{client_id}' was not found in the directory '{oauth.TENANT_NAME}'. This can "
        "happen if the application has not been installed by the administrator of the tenant or consented to by any "
        "user in the tenant. You may have sent your authentication request to the wrong tenant."
    )
    return oauth.refused("unauthorized_client", 700016, why)


def _no_credential() -> Exception:
    why = "The request body must contain the following parameter: 'client_assertion' or 'client_secret'."
    return oauth.refused("invalid_client", 7000218, why, 401)


def _digest(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()
