"""The plan says so where the pipeline's file in the repository signs in another way than the project."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest

from mlops_tui.clouds.ci_host import CiHost, Repository
from mlops_tui.errors import NotFoundError
from mlops_tui.pipelines.files import pipeline_file
from mlops_tui.project import Ci, Project
from mlops_tui.setup import pipeline_sign_in

pytestmark = pytest.mark.timeout(10)
REPOSITORY = Repository("1", "wine", "https://host.example/wine", "")


class Holding:
    """A host whose repository has the file of one project, or none."""

    def __init__(self, project: Project | None) -> None:
        self._file = pipeline_file(project) if project else None

    def head(self, repository: Repository, branch: str) -> str:
        return "c0ffee"

    def read(self, repository: Repository, commit: str, path: str) -> bytes:
        if self._file is None:
            raise NotFoundError("Not found: the file.")
        assert path == self._file.path
        return self._file.text.encode()


def warned(project: Project, there: Project | None) -> str:
    return pipeline_sign_in.warning(project, cast("CiHost", Holding(there)), REPOSITORY)


@pytest.mark.parametrize("host", ["azure-devops", "github"])
def test_a_file_that_signs_in_another_way_is_told_of_with_what_to_do(host: Any) -> None:
    federated = Project(ci=Ci(host=host, organization="contoso"))
    token = replace(federated, ci=replace(federated.ci, authentication="token"))
    for project in (federated, token):
        assert warned(project, project) == ""
        assert warned(project, None) == "", "setup is about to write it"
    assert "signs in without a secret, and ci.authentication wants it by stored secrets" in warned(token, federated)
    assert "signs in by stored secrets, and ci.authentication wants it without a secret" in warned(federated, token)
    assert "Delete the file there and run mlops-tui setup" in warned(token, federated)
