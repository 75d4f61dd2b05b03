"""Who may do what to a blob: by the account's key, by a shared access signature (SAS), or by an Entra token and a role.

The account's name stands before the "@" of the address, which clients do not send. The signature tells it; a token
does not, so there the account is found by its container, among those whose blobs the caller's roles open.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from mlops_tui.sandbox import blob_signatures, clock
from mlops_tui.sandbox.api import Call, Principal
from mlops_tui.sandbox.arm import RESOURCE
from mlops_tui.sandbox.authorization import Authorization
from mlops_tui.sandbox.blob_dialect import BLOBS, now
from mlops_tui.sandbox.blob_store import BlobStore

if TYPE_CHECKING:
    from mlops_tui.sandbox.sandbox import Sandbox

ACCOUNT_TYPE = "Microsoft.Storage/storageAccounts"
CONTAINERS = f"{ACCOUNT_TYPE}/blobServices/containers"


@dataclass(frozen=True)
class Need:
    """What a request needs: one of these letters in a SAS, or this action in a role."""

    letters: str
    action: str
    is_data: bool = True  # in a role: a data action
    level: str = "o"  # in the `srt` of an account SAS: s(ervice), c(ontainer) or o(bject)


READ = Need("r", f"{CONTAINERS}/blobs/read")
WRITE = Need("w", f"{CONTAINERS}/blobs/write")
CREATE = Need("cw", f"{CONTAINERS}/blobs/write")
DELETE = Need("d", f"{CONTAINERS}/blobs/delete")
LIST = Need("l", f"{CONTAINERS}/blobs/read", level="c")
LIST_CONTAINERS = Need("l", f"{CONTAINERS}/read", is_data=False, level="s")
READ_CONTAINER = Need("r", f"{CONTAINERS}/read", is_data=False, level="c")
WRITE_CONTAINER = Need("cw", f"{CONTAINERS}/write", is_data=False, level="c")
DELETE_CONTAINER = Need("d", f"{CONTAINERS}/delete", is_data=False, level="c")
UNSUPPORTED = ("si", "sip", "skoid")  # stored access policies, address ranges, user delegation keys


class BlobAccess:
    """Finds the account that a request is for, and lets it through or refuses it."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._store = BlobStore(sandbox)

    def account(self, call: Call, need: Need) -> str:
        """The account's name. Raises BlobError where the caller may not."""
        scheme, _, value = call.headers.get("authorization", "").partition(" ")
        if "sig" in call.query:
            return self._by_sas(call, need)
        if scheme.lower() == "sharedkey":
            return self._by_key(call, value)
        if scheme.lower() == "bearer":
            return self._by_token(call, value, need)
        if scheme:
            raise BLOBS.refuse("AuthenticationFailed", f"Authentication scheme {scheme} is not supported.")
        raise BLOBS.refuse("NoAuthenticationInformation", headers=self._challenge())

    def _by_key(self, call: Call, value: str) -> str:
        account, _, signature = value.partition(":")
        text = blob_signatures.shared_key_text(call.method, call.headers, call.raw_path, call.query_all, account)
        if not self._signed_by(account, text, signature):
            message = f"The MAC signature found in the HTTP request is not the same as any computed signature. {text!r}"
            raise BLOBS.refuse("AuthenticationFailed", message)
        return account

    def _signed_by(self, account: str, text: str, signature: str) -> bool:
        keys = self._store.accounts.keys(account)
        return any(blob_signatures.same(blob_signatures.sign(key, text), signature) for key in keys)

    def _by_sas(self, call: Call, need: Need) -> str:
        sas, container, blob = call.query, call.params["container"], call.params.get("blob", "")
        for name in UNSUPPORTED:
            if sas.get(name):
                raise BLOBS.missing(call, f"shared access signatures with '{name}'")
        for account in self._store.accounts.names():
            if "ss" in sas:
                text = blob_signatures.account_text(sas, account)
            else:
                text = blob_signatures.service_text(sas, account, container, blob)
            if self._signed_by(account, text, sas["sig"]):
                self._check_sas(sas, need)
                return account
        raise BLOBS.refuse("AuthenticationFailed", "Signature did not match any storage account's.")

    def _check_sas(self, sas: dict[str, str], need: Need) -> None:
        """The signature is good; is it for now, and for this? Raises BlobError."""
        start, end = _moment(sas.get("st", "")), _moment(sas.get("se", ""))
        if (start and now() < start) or end is None or now() >= end:
            detail = (
                f"Signature not valid in the specified time frame: Start [{sas.get('st', '')}] - "
                f"Expiry [{sas.get('se', '')}] - Current [{clock.now()}]"
            )
            raise BLOBS.refuse("AuthenticationFailed", detail)
        if "ss" in sas:
            is_wide = "b" in sas["ss"] and need.level in sas.get("srt", "")
        else:  # a service SAS opens blobs, and lists them where it is for their container; it makes no containers
            is_wide = need.is_data and (need.level == "o" or sas.get("sr") == "c")
        if not is_wide or not set(need.letters) & set(sas.get("sp", "")):
            raise BLOBS.refuse("AuthorizationPermissionMismatch")

    def _by_token(self, call: Call, token: str, need: Need) -> str:
        caller = self._sandbox.tokens.verify(
            token,
            self._sandbox.audiences.storage,
            lambda why: BLOBS.refuse("AuthenticationFailed", why, self._challenge()),
        )
        call.principal = caller
        container = call.params["container"]
        accounts = [one for one in self._sandbox.store.list(RESOURCE) if one["type"] == ACCOUNT_TYPE]
        holders = [one for one in accounts if self._store.container(one["name"], container)] or accounts
        allowed = [one["name"] for one in holders if self._may(caller, need, one["id"], container)]
        if len(allowed) > 1:
            text = (
                f"The sandbox cannot tell which account's container '{container}' is meant, for a token does not say "
                f"so ({', '.join(sorted(allowed))}): use an account key or a SAS."
            )
            raise BLOBS.error(400, "InvalidUri", text)
        if not allowed:
            raise BLOBS.refuse("AuthorizationPermissionMismatch")
        return str(allowed[0])

    def _may(self, caller: Principal, need: Need, account_id: str, container: str) -> bool:
        authorization = self._sandbox.find(Authorization)
        allows = authorization.allows_data if need.is_data else authorization.allows
        return allows(caller, need.action, f"{account_id}/blobServices/default/containers/{container}")

    def _challenge(self) -> dict[str, str]:
        authority = f"{self._sandbox.origin}/{self._sandbox.tenant_id}/oauth2/authorize"
        return {"WWW-Authenticate": f"Bearer authorization_uri={authority} resource_id=https://storage.azure.com"}


def _moment(written: str) -> datetime | None:
    """Of a SAS's `st` or `se`; None where it is missing. Raises BlobError for what is no time."""
    if not written:
        return None
    try:
        return clock.parse(written)
    except ValueError as error:
        raise BLOBS.refuse("AuthenticationFailed", f"{written} is not a valid time.") from error
