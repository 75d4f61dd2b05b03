"""Sign-in by device code (RFC 8628): the terminal shows a code, the person types it into a page.

The page is real: open it in a browser, or POST `user_code=…` to it, and the learner has signed in.
"""

from __future__ import annotations

import hashlib
import html
import secrets
import time

from starlette.responses import HTMLResponse, Response

from mlops_tui.sandbox import oauth
from mlops_tui.sandbox.api import Body, Call, Endpoint, Service
from mlops_tui.sandbox.dialects import OPEN
from mlops_tui.sandbox.entra import Entra
from mlops_tui.sandbox.seed import LEARNER_ID, LEARNER_NAME

LIFETIME = 900  # seconds a code can be used, as in Azure
INTERVAL = 1  # seconds between polls; Azure says 5
KIND = "device-code"
LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # none that can be mistaken for another

PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Enter code</title>
<style>body {{ font: 16px sans-serif; max-width: 26em; margin: 4em auto }} input, button {{ font: inherit }}</style>
<h1>Practice cloud: enter code</h1>
<p role="status">{notice}</p>
<form method="post"><label>Code <input name="user_code" autofocus autocomplete="off" value="{code}"></label>
<button>Sign in as {user}</button></form>
<p>The code is shown by the program that you want to sign in to. Only enter a code that you have asked for.</p>
</html>
"""


class DeviceLogin(Service):
    """/{tenant}/oauth2/v2.0/devicecode and the page /devicelogin."""

    dialect = OPEN

    def routes(self) -> list[Endpoint]:
        return [
            self.on("POST", "/{tenant}/oauth2/v2.0/devicecode", self.begin),
            self.on("POST", "/{tenant}/oauth2/devicecode", self.begin),
            self.on("GET", "/devicelogin", self.show),
            self.on("POST", "/devicelogin", self.approve),
        ]

    def begin(self, call: Call) -> Body:
        oauth.check_tenant(self.sandbox, call.params["tenant"])
        form = call.form()
        client_id = oauth.need(form, "client_id")
        self.sandbox.find(Entra).check_public_client(client_id)
        oauth.audience(self.sandbox, form, is_user=True)
        self._forget_expired()
        user_code = "".join(secrets.choice(LETTERS) for _ in range(9))
        device_code = secrets.token_urlsafe(48)
        kept = {
            "digest": _digest(device_code),
            "client_id": client_id,
            "scope": form.get("scope") or f"{form['resource']}/.default",
            "expires": time.time() + LIFETIME,
            "user_id": "",
        }
        self.store.put(KIND, user_code, kept)
        page = f"{self.sandbox.origin}/devicelogin"
        return {
            "user_code": user_code,
            "device_code": device_code,
            "verification_uri": page,
            "verification_url": page,  # v1.0's name for it
            "expires_in": LIFETIME,
            "interval": INTERVAL,
            "message": f"To sign in, use a web browser to open the page {page} and enter the code {user_code} to "
            "authenticate.",
        }

    def _forget_expired(self) -> None:
        for user_code, kept in self.store.items(KIND):
            if kept["expires"] < time.time():
                self.store.delete(KIND, user_code)

    def redeem(self, device_code: str, client_id: str) -> Body:
        """Who has approved it, once. Raises `authorization_pending` before, and `expired_token` too late."""
        with self.store.transaction():  # two polls at once must not both have it
            for user_code, kept in self.store.items(KIND):
                if kept["digest"] != _digest(device_code) or kept["client_id"] != client_id:
                    continue
                if kept["expires"] >= time.time():
                    if not kept["user_id"]:
                        why = "OAuth 2.0 device flow error. Authorization is pending. Continue polling."
                        raise oauth.refused("authorization_pending", 70016, why)
                    self.store.delete(KIND, user_code)
                    return kept
        why = (
            "The provided value for the input parameter 'device_code' is not valid. This device code has expired or "
            "was used before."
        )
        raise oauth.refused("expired_token", 70020, why)

    def show(self, call: Call) -> Response:
        return _page("", call.query.get("user_code", call.query.get("otc", "")))

    def approve(self, call: Call) -> Response:
        """As the learner; 400 with the page again for a code that nobody waits for."""
        user_code = call.form().get("user_code", "").strip().upper()
        with self.store.transaction():
            kept = self.store.get(KIND, user_code)
            if kept is None or kept["expires"] < time.time():
                notice = "That code didn't work. Check the code and try again." if user_code else "Enter a code."
                return _page(notice, user_code, 400)
            self.store.put(KIND, user_code, kept | {"user_id": LEARNER_ID})
        return _page(f"You have signed in as {LEARNER_NAME}. You may now close this window.", "")


def _digest(device_code: str) -> str:
    return hashlib.sha256(device_code.encode()).hexdigest()


def _page(notice: str, code: str, status: int = 200) -> Response:
    text = PAGE.format(notice=html.escape(notice), code=html.escape(code, quote=True), user=LEARNER_NAME)
    return HTMLResponse(text, status, {"X-Frame-Options": "DENY"})
