"""Access tokens as Entra issues them: RS256 JSON Web Tokens with an audience, signed by the sandbox's own key."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from mlops_tui.sandbox.api import ApiError, Principal

if TYPE_CHECKING:
    from mlops_tui.sandbox.store import Store

KEY_ID = "sandbox-1"
LIFETIME = 3600  # seconds


class Tokens:
    """Mints and verifies; the key outlives restarts, so tokens do too."""

    def __init__(self, store: Store, issuer: str, tenant_id: str) -> None:
        self._issuer = issuer
        self._tenant_id = tenant_id
        kept = store.get("signing-key", KEY_ID)
        if kept is None:
            key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
            pem = key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            kept = {"pem": pem.decode()}
            store.put("signing-key", KEY_ID, kept)
        loaded = serialization.load_pem_private_key(kept["pem"].encode(), None)
        assert isinstance(loaded, rsa.RSAPrivateKey)
        self._key = loaded

    def jwks(self) -> dict[str, Any]:
        """The public key as a JSON Web Key Set."""
        jwk = jwt.algorithms.RSAAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        return {"keys": [{**jwk, "use": "sig", "kid": KEY_ID, "alg": "RS256"}]}

    def sign(self, claims: dict[str, Any]) -> str:
        return jwt.encode(claims, self._key, algorithm="RS256", headers={"kid": KEY_ID})

    def mint(self, principal: Principal, audience: str, **claims: Any) -> str:
        """An access token that lives an hour; the claims are those of Entra's v2.0 tokens."""
        now = int(time.time())
        body: dict[str, Any] = {
            "aud": audience,
            "iss": self._issuer,
            "iat": now,
            "nbf": now,
            "exp": now + LIFETIME,
            "oid": principal.object_id,
            "sub": principal.object_id,
            "tid": self._tenant_id,
            "appid": principal.app_id,
            "azp": principal.app_id,
            "idtyp": "user" if principal.is_user else "app",
            "name": principal.display_name,
            "ver": "2.0",
        }
        if principal.is_user:
            body |= {"upn": principal.name, "preferred_username": principal.name, "scp": "user_impersonation"}
        return self.sign(body | claims)

    def claims(self, token: str, audiences: frozenset[str], refused: Callable[[str], ApiError]) -> dict[str, Any]:
        """What a token says that is ours, and good. Raises what `refused` makes of the reason."""
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                self._key.public_key(),
                algorithms=["RS256"],
                issuer=self._issuer,
                options={"verify_aud": False, "require": ["exp", "aud", "oid"]},
            )
        except jwt.ExpiredSignatureError as error:
            raise refused("The access token has expired.") from error
        except jwt.PyJWTError as error:
            raise refused(f"The access token is invalid: {error}.") from error
        if str(claims["aud"]).rstrip("/") not in audiences:
            raise refused(f"The access token has been obtained for the wrong audience '{claims['aud']}'.")
        return claims

    def verify(self, token: str, audiences: frozenset[str], refused: Callable[[str], ApiError]) -> Principal:
        """Whose token it is. Raises what `refused` makes of the reason."""
        claims = self.claims(token, audiences, refused)
        is_user = claims.get("idtyp") == "user"
        name = claims.get("preferred_username", "") if is_user else claims.get("appid", "")
        return Principal(claims["oid"], name, claims.get("name", name), is_user, claims.get("appid", ""))
