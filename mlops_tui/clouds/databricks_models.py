"""Model versions in MLflow's registry, the workspace's or Unity Catalog's (MLflow REST API 2.0)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mlops_tui.clouds.databricks_errors import speaking_of

if TYPE_CHECKING:
    from mlops_tui.clouds.databricks import Databricks


class Models:
    def __init__(self, databricks: Databricks) -> None:
        self._databricks = databricks

    def tag(self, model: str, run_id: str, tags: Mapping[str, str]) -> str:
        """Set tags on the newest version that the run has made; the version, empty where there is none."""
        root = _root(model)
        with speaking_of(f"the registered model {model}"):
            made = [one for one in self._versions(root, model) if one.get("run_id") == run_id]
            if not made:
                return ""
            version = max((str(one["version"]) for one in made), key=int)
            for name, value in tags.items():
                body = {"name": model, "version": version, "key": name, "value": value}
                self._ask("POST", f"{root}/set-tag", body=body)
        return version

    def _versions(self, root: str, model: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        query = {"filter": f"name='{model}'"}
        while True:
            page = self._ask("GET", f"{root}/search", query=query)
            found += page.get("model_versions") or []
            if not page.get("next_page_token"):
                return found
            query = query | {"page_token": page["next_page_token"]}

    def _ask(
        self, method: str, path: str, query: dict[str, str] | None = None, body: dict[str, str] | None = None
    ) -> dict[str, Any]:
        answer = self._databricks.client.api_client.do(method, path, query=query, body=body)
        return answer if isinstance(answer, dict) else {}


def _root(model: str) -> str:
    """A name of three parts is Unity Catalog's."""
    return f"/api/2.0/mlflow/{'unity-catalog/' if model.count('.') == 2 else ''}model-versions"
