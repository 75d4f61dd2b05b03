"""GitHub: secrets of Actions, of a repository or of one of its environments. They go in, and never come out again.

Values come sealed (libsodium's crypto_box_seal) for the repository's public key; the sandbox opens each with its
private key, as GitHub does, and keeps it closed with a key of its own. Documents: "github-secret-key" by "{id}/key",
"github-secret" by "{id}/{environment}/{NAME}", with the id of the repository.
Shapes: GitHub REST API, "GitHub Actions Secrets"; names: "Naming your secrets".
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING

from starlette.responses import Response

from mlops_tui.sandbox.api import Body, Call, Endpoint, answer, empty
from mlops_tui.sandbox.github_accounts import moment, new_id
from mlops_tui.sandbox.github_dialect import GITHUB
from mlops_tui.sandbox.github_environments import place_of, places_for_job
from mlops_tui.sandbox.github_service import GitHubService, Need
from mlops_tui.sandbox.secret_vault import SecretVault

if TYPE_CHECKING:
    from mlops_tui.sandbox.sandbox import Sandbox

SECRET, KEY = "github-secret", "github-secret-key"
NAME = re.compile(r"(?!GITHUB_)[A-Za-z_][A-Za-z0-9_]*", re.IGNORECASE)
LARGEST = 48 * 1024  # bytes of one value


class GitHubSecrets(GitHubService):
    """Below /repos/{owner}/{repo}: actions/secrets… and environments/{name}/secrets…"""

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(sandbox)
        self._vault = SecretVault(sandbox.folder / "github-secrets.key")

    def routes(self) -> list[Endpoint]:
        places = (("/actions/secrets", "secrets"), ("/environments/{environment}/secrets", "environments"))
        return [route for path, permission in places for route in self._below(path, permission)]

    def _below(self, path: str, permission: str) -> list[Endpoint]:
        read, write = Need(permission, "read", "admin"), Need(permission, "write", "admin")
        return [
            self.at("GET", f"{path}/public-key", self.public_key, read),
            self.at("GET", path, self.show_all, read),
            self.at("GET", f"{path}/{{name}}", self.show, read),
            self.at("PUT", f"{path}/{{name}}", self.put, write),
            self.at("DELETE", f"{path}/{{name}}", self.delete, write),
        ]

    def public_key(self, call: Call, repository: Body) -> Body:
        key = self._key(repository)
        return {"key_id": key["key_id"], "key": key["public"]}

    def _key(self, repository: Body) -> Body:
        """A real Curve25519 pair, made when it is asked for first."""
        from nacl.public import PrivateKey

        with self.store.transaction():
            found = self.store.get(KEY, f"{repository['id']}/key")
            if found is None:
                private = PrivateKey.generate()
                found = {
                    "key_id": str(new_id(self.store)),
                    "public": base64.b64encode(bytes(private.public_key)).decode(),
                    "private": self._vault.close(bytes(private)),
                }
                self.store.put(KEY, f"{repository['id']}/key", found)
        return found

    def show_all(self, call: Call, repository: Body) -> Response:
        return self.page(
            call, "secrets", [_shown(one) for one in self.store.list(SECRET, self._place(call, repository))]
        )

    def show(self, call: Call, repository: Body) -> Body:
        found = self.store.get(SECRET, self._place(call, repository, call.params["name"]))
        if found is None:
            raise GITHUB.not_found()
        return _shown(found)

    def put(self, call: Call, repository: Body) -> Response:
        """201 for a new one, 204 for one that is there."""
        name, wanted, key = call.params["name"], call.json(), self._key(repository)
        if not NAME.fullmatch(name):
            message = "Secret names can only contain alphanumeric characters ([a-z], [A-Z], [0-9]) or underscores (_). "
            raise GITHUB.invalid(
                message + "Spaces are not allowed. Must start with a letter ([a-z], [A-Z]) or underscores (_)."
            )
        if wanted.get("key_id") != key["key_id"]:
            raise GITHUB.invalid("Bad request: the key_id is not that of the public key.")
        value = self._open(key, str(wanted.get("encrypted_value") or ""))
        if len(value) > LARGEST:
            raise GITHUB.invalid("Secret value is too large: 48 KB at most.")
        place = self._place(call, repository, name)
        with self.store.transaction():
            before = self.store.get(SECRET, place)
            now = moment()
            kept = {"name": name.upper(), "created_at": before["created_at"] if before else now, "updated_at": now}
            self.store.put(SECRET, place, kept | {"value": self._vault.close(value)})
        return empty(204) if before else answer({}, 201)

    def _open(self, key: Body, sealed: str) -> bytes:
        from nacl.exceptions import CryptoError
        from nacl.public import PrivateKey, SealedBox

        try:
            return SealedBox(PrivateKey(self._vault.open(key["private"]))).decrypt(
                base64.b64decode(sealed, validate=True)
            )
        except (CryptoError, binascii.Error, ValueError) as error:
            raise GITHUB.invalid(
                "Bad request: encrypted_value cannot be decrypted with the repository's key."
            ) from error

    def delete(self, call: Call, repository: Body) -> Response:
        if self.store.delete(SECRET, self._place(call, repository, call.params["name"])) is None:
            raise GITHUB.not_found()
        return empty(204)

    def _place(self, call: Call, repository: Body, name: str = "") -> str:
        return place_of(self.store, call, repository, name)

    def values(self, repository: Body, environment: str) -> dict[str, str]:
        """For a job: those of the repository, and over them those of its environment."""
        found: dict[str, str] = {}
        for place in places_for_job(repository, environment):
            for one in self.store.list(SECRET, place):
                found[one["name"]] = self._vault.open(one["value"]).decode("utf-8", "replace")
        return found


def _shown(secret: Body) -> Body:
    return {name: secret[name] for name in ("name", "created_at", "updated_at")}
