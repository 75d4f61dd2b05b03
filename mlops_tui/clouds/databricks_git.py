"""How a workspace signs in to hosts of Git, and its folders that follow a repository.

Databricks REST reference, Git Credentials 2.0 and Repos 2.0. What a credential signs in with is never told again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlops_tui import redaction
from mlops_tui.clouds.databricks_errors import speaking_of
from mlops_tui.errors import ConflictError, NotFoundError

if TYPE_CHECKING:
    from mlops_tui.clouds.databricks import Databricks
    from mlops_tui.clouds.databricks_client import Client


@dataclass(frozen=True)
class GitCredential:
    """One of the caller's own."""

    id: int
    provider: str  # "azureDevOpsServices", "gitHub"
    name: str  # free to choose
    user: str
    is_default: bool  # of its provider: what jobs and folders use where none is named


@dataclass(frozen=True)
class GitFolder:
    id: int
    path: str
    url: str  # of the repository, as it was given
    branch: str  # empty where a tag is checked out
    commit: str  # that is checked out; empty where the repository is
    provider: str  # as in GitCredential


class Git:
    """Credentials and Git folders of one workspace."""

    def __init__(self, databricks: Databricks) -> None:
        self._databricks = databricks

    def credentials(self, provider: str) -> tuple[GitCredential, ...]:
        """The caller's, by number. A user may have several of one provider, a service principal has one."""
        with speaking_of("the Git credentials"):
            listed = list(self._client.git_credentials.list())
        found = (
            GitCredential(
                one.credential_id,
                one.git_provider or "",
                one.name or "",
                one.git_username or one.git_email or "",
                bool(one.is_default_for_provider),
            )
            for one in listed
        )
        return tuple(sorted((one for one in found if one.provider.lower() == provider.lower()), key=lambda one: one.id))

    def add_credential(self, provider: str, name: str, user: str, token: str) -> None:
        """Where the first answer was lost, the second one says that it is there: then it is ours if its name is."""
        redaction.register(token)
        try:
            with speaking_of(f"the Git credential {name}"):
                self._client.git_credentials.create(
                    provider, name=name, git_username=user, git_email=_email(user), personal_access_token=token
                )
        except ConflictError:
            if not any(one.name == name for one in self.credentials(provider)):
                raise

    def change_credential(self, credential: GitCredential, name: str, user: str, token: str) -> None:
        """Another token, under another name. Raises NotFoundError."""
        redaction.register(token)
        with speaking_of(f"the Git credential {name}"):
            self._client.git_credentials.update(
                credential.id,
                credential.provider,
                name=name,
                git_username=user,
                git_email=_email(user),
                personal_access_token=token,
            )

    def delete_credential(self, credential: GitCredential) -> bool:
        """False where it is gone already."""
        try:
            with speaking_of(f"the Git credential {credential.name}"):
                self._client.git_credentials.delete(credential.id)
        except NotFoundError:
            return False
        return True

    def folder(self, path: str) -> GitFolder | None:
        """None where nothing is there. Raises ConflictError where something else is.

        Asked by way of the workspace: the list of Git folders is deprecated, and leaves some of them out.
        """
        from databricks.sdk.service.workspace import ObjectType

        try:
            with speaking_of(f"the Git folder {path}"):
                found = self._client.workspace.get_status(path)
                if found.object_type is ObjectType.REPO and found.object_id:
                    there = self._client.repos.get(found.object_id)
                    return GitFolder(
                        there.id or 0,
                        path,
                        there.url or "",
                        there.branch or "",
                        there.head_commit_id or "",
                        there.provider or "",
                    )
        except NotFoundError:
            return None
        raise ConflictError(
            f"{path} in the workspace is there already, but is no Git folder.",
            hint="Move or remove it, or choose another databricks.git_folder.",
        )

    def add_folder(self, path: str, url: str, provider: str, credential: GitCredential | None) -> None:
        """With the folders above it; on the repository's default branch."""
        above = path.rpartition("/")[0]
        try:
            with speaking_of(f"the Git folder {path}"):
                if above:
                    self._client.workspace.mkdirs(above)
                number = credential.id if credential else None
                self._client.repos.create(url, provider, path=path, git_credential_id=number)
        except ConflictError:
            there = self.folder(path)  # as with credentials: the first answer may have been lost
            if there is None or there.url != url:
                raise

    def pull(self, folder: GitFolder, branch: str, credential: GitCredential | None) -> None:
        """Check the branch out as it is now; edits that are not committed stay.

        Raises ConflictError where such an edit is in the way, NotFoundError where there is no such branch.
        """
        with speaking_of(f"the Git folder {folder.path}"):
            self._client.repos.update(folder.id, branch=branch, git_credential_id=credential.id if credential else None)

    def delete_folder(self, folder: GitFolder) -> bool:
        """With all that is in it; False where it is gone already."""
        try:
            with speaking_of(f"the Git folder {folder.path}"):
                self._client.repos.delete(folder.id)
        except NotFoundError:
            return False
        return True

    @property
    def _client(self) -> Client:
        return self._databricks.client


def _email(user: str) -> str | None:
    """Some hosts know their users by e-mail address."""
    return user if "@" in user else None
