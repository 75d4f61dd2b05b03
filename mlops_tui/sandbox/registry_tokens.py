"""Tokens of a container registry: POST /oauth2/exchange and /oauth2/token.

An Entra token becomes a refresh token for one registry, and that (or a password) an access token for some of its
repositories. Shapes: Azure Container Registry REST API 2021-07-01 (Authentication), and the token specification of
Docker's registry. The service of a token is the login server, whatever host it was asked at.
"""

from __future__ import annotations

import base64
import binascii
import time
from typing import Any

from mlops_tui.sandbox.api import ApiError, Body, Call, Endpoint, Service
from mlops_tui.sandbox.container_registries import registry_named
from mlops_tui.sandbox.dialects import Dialect
from mlops_tui.sandbox.directory import Directory
from mlops_tui.sandbox.registry_access import DELETE, PULL, PUSH, RegistryAccess, Visitor

NOBODY = "00000000-0000-0000-0000-000000000000"  # the user name that says: the password is a token
REFRESH_LIFETIME, ACCESS_LIFETIME = 3 * 3600, 75 * 60  # seconds
# What a scope may ask for, and the action of Azure's roles that it needs.
RIGHTS = {
    "pull": PULL,
    "metadata_read": PULL,
    "content_read": PULL,
    "push": PUSH,
    "metadata_write": PUSH,
    "content_write": PUSH,
    "delete": DELETE,
    "content_delete": DELETE,
}
OLDER = {"metadataRead": "metadata_read", "metadataWrite": "metadata_write"}  # as older clients write them


class RegistryDialect(Dialect):
    """Errors as the distribution specification has them. Who calls is found out per registry, see `RegistryTokens`."""

    name = "registry"

    def error(self, status: int, code: str, message: str) -> ApiError:
        return ApiError(status, {"errors": [{"code": code, "message": message}]})

    def malformed(self, message: str) -> ApiError:
        return self.error(400, "UNSUPPORTED", message)

    def fault(self, status: int) -> ApiError:
        codes = {401: "UNAUTHORIZED", 403: "DENIED", 404: "NAME_UNKNOWN", 429: "TOOMANYREQUESTS"}
        return self.error(status, codes.get(status, "UNKNOWN"), f"An ordered fault: HTTP {status}.")


REGISTRY = RegistryDialect()


class RegistryTokens(Service):
    """Issues tokens, and says what a call to a registry may do."""

    dialect = REGISTRY

    def routes(self) -> list[Endpoint]:
        """At the host, where the challenge sends clients; the login server's own path is Entra's for tenants."""
        return [
            self.on("POST", "/oauth2/exchange", self.exchange),
            self.on("POST", "/{registry}/oauth2/exchange", self.exchange),
            self.on("POST", "/oauth2/token", self.token),
            self.on("GET", "/oauth2/token", self.token_for_basic),
            self.on("GET", "/v2", self.ask_host),
            self.on("GET", "/v2/", self.ask_host),
        ]

    def ask_host(self, call: Call) -> Body:
        """OCI clients ask the bare host first; which registry it is about, the scope of their next request says."""
        refusal = self.dialect.error(401, "UNAUTHORIZED", "authentication required")
        host = self.sandbox.origin.removeprefix("https://")
        refusal.headers["WWW-Authenticate"] = f'Bearer realm="{self.sandbox.origin}/oauth2/token",service="{host}"'
        raise refusal

    def exchange(self, call: Call) -> Body:
        """An Entra token of someone who may do anything with images, for a refresh token."""
        form = call.form()
        if form.get("grant_type") not in ("access_token", "access_token_refresh_token"):
            raise self.dialect.malformed("grant_type must be access_token.")
        registry = self._registry(call, form.get("service", ""))
        audiences = self.sandbox.audiences.arm | self.sandbox.audiences.registry
        token = form.get("access_token", "")
        principal = self.sandbox.tokens.verify(token, audiences, lambda why: self.refused(registry, "", why))
        visitor = Visitor(principal.name, principal)
        access = RegistryAccess(self.sandbox)
        if not any(access.allows(visitor, registry["name"], action) for action in (PULL, PUSH, DELETE)):
            raise self.refused(registry)
        return {"refresh_token": self._sign(registry, visitor, "refresh_token", REFRESH_LIFETIME)}

    def token(self, call: Call) -> Body:
        form = call.form()
        scopes = form.get("scope", "")
        registry = self._registry(call, form.get("service", ""), scopes)
        grant = form.get("grant_type")
        if grant == "refresh_token":
            visitor = self._of_token(registry, form.get("refresh_token", ""), "refresh_token")
        elif grant == "password":
            visitor = self.sign_in(registry, form.get("username", ""), form.get("password", ""))
        else:
            raise self.dialect.malformed("grant_type must be refresh_token or password.")
        return self._granted(registry, visitor, scopes)

    def token_for_basic(self, call: Call) -> Body:
        """As Docker asks: name and password in a Basic header."""
        scopes = " ".join(call.query_all.get("scope", []))
        registry = self._registry(call, call.query.get("service", ""), scopes)
        return self._granted(registry, self._of_basic(registry, call), scopes)

    def _registry(self, call: Call, service: str, scopes: str = "") -> Body:
        """The registry of the path, of the service, or (where the service is the bare host) of the scope."""
        host, _, name = service.removeprefix("https://").partition("/")
        name = call.params.get("registry") or name
        if not name and f"https://{host}" == self.sandbox.origin:
            name = scopes.partition(":")[2].partition("/")[0]
        return self.registry(name)

    def registry(self, name: str) -> Body:
        """Raises NAME_UNKNOWN; on Azure, the host would not be found."""
        found = registry_named(self.store, name) if name else None
        if found is None:
            raise self.dialect.error(404, "NAME_UNKNOWN", f"There is no container registry '{name}' here.")
        return found

    def _granted(self, registry: Body, visitor: Visitor, scopes: str) -> Body:
        """An access token for what of the scopes the visitor may do; nothing more is said of the rest."""
        access = RegistryAccess(self.sandbox)
        granted = []
        for scope in scopes.split():
            kind, _, rest = scope.partition(":")
            name, _, actions = rest.rpartition(":")
            asked = [OLDER.get(one, one) for one in actions.split(",")]
            if kind == "registry":
                may = asked if access.allows(visitor, registry["name"], PULL) else []
            else:
                every = list(RIGHTS) if "*" in asked else asked
                may = [one for one in every if one in RIGHTS and access.allows(visitor, registry["name"], RIGHTS[one])]
            granted.append({"type": kind, "name": name, "actions": may})
        return {"access_token": self._sign(registry, visitor, "access_token", ACCESS_LIFETIME, access=granted)}

    def _sign(self, registry: Body, visitor: Visitor, kind: str, lifetime: int, **claims: Any) -> str:
        now = int(time.time())
        body: dict[str, Any] = {
            "aud": registry["properties"]["loginServer"],
            "iss": f"{self.sandbox.origin}/{self.sandbox.tenant_id}/v2.0",
            "iat": now,
            "nbf": now,
            "exp": now + lifetime,
            "sub": visitor.name,
            "oid": visitor.principal.object_id if visitor.principal else "",
            "grant_type": kind,
        }
        return self.sandbox.tokens.sign(body | claims)

    def _read(self, registry: Body, token: str, kind: str) -> dict[str, Any]:
        audience = frozenset({registry["properties"]["loginServer"]})
        found = self.sandbox.tokens.claims(token, audience, lambda why: self.refused(registry, "", why))
        if found.get("grant_type") != kind:
            raise self.refused(registry, "", f"The token is not a {kind.replace('_', ' ')}.")
        return found

    def _of_token(self, registry: Body, token: str, kind: str) -> Visitor:
        """Whose token it is: somebody who is still there. Raises UNAUTHORIZED."""
        found = self._read(registry, token, kind)
        if found["oid"]:
            principal = Directory(self.store).principal(found["oid"])
            if principal is None:
                raise self.refused(registry)
            return Visitor(principal.name, principal)
        if not registry["properties"]["adminUserEnabled"]:
            raise self.refused(registry)
        return Visitor(registry["name"])

    def sign_in(self, registry: Body, username: str, password: str) -> Visitor:
        """Raises UNAUTHORIZED."""
        if username == NOBODY:
            return self._of_token(registry, password, "refresh_token")
        visitor = RegistryAccess(self.sandbox).sign_in(registry["name"], username, password)
        if visitor is None:
            raise self.refused(registry)
        return visitor

    def _of_basic(self, registry: Body, call: Call) -> Visitor:
        scheme, _, rest = call.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "basic":
            raise self.refused(registry)
        try:
            name, _, password = base64.b64decode(rest, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError) as error:
            raise self.refused(registry) from error
        return self.sign_in(registry, name, password)

    def require_any(self, call: Call, registry: Body) -> None:
        """Raises UNAUTHORIZED where the call has no credentials that are good for the registry."""
        scheme, _, token = call.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            self._read(registry, token, "access_token")
        else:
            self._of_basic(registry, call)

    def require(self, call: Call, registry: Body, kind: str, name: str, *rights: str) -> None:
        """Raises UNAUTHORIZED where the call may do none of `rights` with that repository (or the catalog)."""
        scope = f"{kind}:{name}:{rights[0]}"
        scheme, _, token = call.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            try:
                granted = self._read(registry, token, "access_token").get("access") or []
            except ApiError as error:
                raise self.refused(registry, scope, error.body["errors"][0]["message"]) from error
            held = {one for each in granted if (each["type"], each["name"]) == (kind, name) for one in each["actions"]}
            if not held & {*rights, "*"}:
                raise self.refused(registry, scope, error="insufficient_scope")
            return
        if scheme.lower() != "basic":
            raise self.refused(registry, scope)
        visitor, access = self._of_basic(registry, call), RegistryAccess(self.sandbox)
        needed = {RIGHTS.get(right, PULL) for right in rights}
        if not any(access.allows(visitor, registry["name"], action) for action in needed):
            raise self.refused(registry, scope, error="insufficient_scope")

    def refused(self, registry: Body, scope: str = "", why: str = "", error: str = "") -> ApiError:
        """401 with where to get a token (no spaces between the parts: there are clients that split at them)."""
        message = why or "authentication required, visit https://aka.ms/acr/authorization for more information."
        refusal = self.dialect.error(401, "UNAUTHORIZED", message)
        parts = {"realm": f"{self.sandbox.origin}/oauth2/token", "service": registry["properties"]["loginServer"]}
        parts |= {name: text for name, text in (("scope", scope), ("error", error)) if text}
        challenge = ",".join(f'{name}="{text}"' for name, text in parts.items())
        refusal.headers["WWW-Authenticate"] = f"Bearer {challenge}"
        return refusal
