"""GitHub: the identity tokens of jobs, by which they sign in elsewhere without a secret.

A job with `permissions: id-token: write` has an address and a token of its own to ask for one; its subject begins with
the repository's prefix, which since 15 July 2026 has the ids of owner and repository in it.
Sources: GitHub, "OpenID Connect reference"; "Immutable subject claims for GitHub Actions OIDC tokens" (changelog of
23 April 2026); REST API, "GitHub Actions OIDC" (`use_immutable_subject`, `sub_claim_prefix`). GitHub Enterprise Server
has its issuer at https://HOST/_services/token, as here.
"""

from __future__ import annotations

import hashlib
import secrets
import time
import uuid
from typing import Any

from mlops_tui.sandbox.api import Body, Call, Endpoint, Principal
from mlops_tui.sandbox.dialects import OPEN
from mlops_tui.sandbox.github_accounts import Accounts
from mlops_tui.sandbox.github_dialect import token_of
from mlops_tui.sandbox.github_service import GitHubService, Need
from mlops_tui.sandbox.pipelines.model import PIPELINE_RUN

ISSUER = "/_services/token"
REQUEST = "github-token-request"  # documents by the digest of the job's request token
LIFETIME = 300  # seconds, GitHub's own


def subject_prefix(accounts: Accounts, repository: Body) -> str:
    """ "repo:practice@1/wine-quality@2", or "repo:practice/wine-quality" of a repository from before."""
    owner = accounts.find(repository["owner"])
    if not repository["immutable_subject"] or owner is None:
        return f"repo:{repository['owner']}/{repository['name']}"
    return f"repo:{owner['login']}@{owner['id']}/{repository['name']}@{repository['id']}"


class GitHubOidc(GitHubService):
    """actions/oidc/customization/sub of a repository, the issuer's own documents, and the tokens of jobs."""

    def routes(self) -> list[Endpoint]:
        return [
            self.at("GET", "/actions/oidc/customization/sub", self.customization, Need("actions", "read", "read")),
            self.on("GET", f"{ISSUER}/.well-known/openid-configuration", self.configuration, OPEN),
            self.on("GET", f"{ISSUER}/.well-known/jwks", self.keys, OPEN),
            self.on("GET", "/_services/pipelines/idtoken/{run}/{job}", self.issue, OPEN),
        ]

    @property
    def issuer(self) -> str:
        return f"{self.sandbox.origin}{ISSUER}"

    def customization(self, call: Call, repository: Body) -> Body:
        return {
            "use_default": True,
            "use_immutable_subject": repository["immutable_subject"],
            "sub_claim_prefix": subject_prefix(self.accounts, repository),
        }

    def configuration(self, call: Call) -> Body:
        return {
            "issuer": self.issuer,
            "jwks_uri": f"{self.issuer}/.well-known/jwks",
            "subject_types_supported": ["public", "pairwise"],
            "response_types_supported": ["id_token"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "scopes_supported": ["openid"],
        }

    def keys(self, call: Call) -> Body:
        return self.sandbox.tokens.jwks()

    def request_for(self, run: Body, job: Body) -> dict[str, str]:
        """Where the job asks for its token, and with what; empty where its permissions do not let it."""
        if job.get("permissions", {}).get("id-token") != "write":
            return {}
        value = secrets.token_urlsafe(32)
        self.store.put(REQUEST, _digest(value), {"run": run["id"], "job": job["id"]})
        url = f"{self.sandbox.origin}/_services/pipelines/idtoken/{run['id']}/{job['id']}?api-version=2.0"
        return {"ACTIONS_ID_TOKEN_REQUEST_URL": url, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": value}

    def issue(self, call: Call) -> Body:
        """{"value": TOKEN} for the job that asks, as long as it runs; `audience` says for whom."""
        asked = self.store.get(REQUEST, _digest(token_of(call)))
        if asked is None or (asked["run"], asked["job"]) != (call.params["run"], call.params["job"]):
            raise OPEN.error(401, "Unauthorized", "The job's request token is not good.")
        run = self.store.get(PIPELINE_RUN, asked["run"])
        jobs = [job for stage in run["stages"] for job in stage["jobs"]] if run else []
        job = next((one for one in jobs if one["id"] == asked["job"]), None)
        repository = self.find(*run["owner"].split("/")) if run else None
        if run is None or job is None or repository is None or job["state"] == "completed":
            raise OPEN.error(403, "Forbidden", "The job has ended.")
        claims = self._claims(run, job, repository)
        claims["aud"] = call.query.get("audience") or f"{self.sandbox.origin}/{repository['owner']}"
        return {"count": 1, "value": self.sandbox.tokens.sign(claims)}

    def _claims(self, run: Body, job: Body, repository: Body) -> dict[str, Any]:
        now = int(time.time())
        full = f"{repository['owner']}/{repository['name']}"
        owner = self.accounts.find(repository["owner"])
        actor = self.accounts.of(Principal(**run["requested_by"]))
        ref = f"refs/heads/{run['branch']}"
        context = f"environment:{job['environment']}" if job["environment"] else f"ref:{ref}"
        claims: dict[str, Any] = {
            "jti": str(uuid.uuid4()),
            "iss": self.issuer,
            "sub": f"{subject_prefix(self.accounts, repository)}:{context}",
            "iat": now,
            "nbf": now - LIFETIME,
            "exp": now + LIFETIME,
            "repository": full,
            "repository_id": str(repository["id"]),
            "repository_owner": repository["owner"],
            "repository_owner_id": str(owner["id"]) if owner else "",
            "repository_visibility": "private" if repository["private"] else "public",
            "actor": actor["login"],
            "actor_id": str(actor["id"]),
            "event_name": {"manual": "workflow_dispatch"}.get(run["reason"], run["reason"]),
            "ref": ref,
            "ref_type": "branch",
            "ref_protected": "false",
            "sha": run["commit"],
            "run_id": run["id"],
            "run_number": str(run["number"]),
            "run_attempt": "1",
            "runner_environment": "github-hosted",
            "workflow": run["name"],
            "workflow_ref": f"{full}/{run['file']}@{ref}",
            "workflow_sha": run["commit"],
            "job_workflow_ref": f"{full}/{run['file']}@{ref}",
            "job_workflow_sha": run["commit"],
        }
        return claims | ({"environment": job["environment"]} if job["environment"] else {})


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
