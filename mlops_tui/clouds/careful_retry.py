"""Trying again without making a thing twice; import it only where azure-core is loaded anyway."""

from __future__ import annotations

from typing import Any

from azure.core.pipeline import PipelineResponse
from azure.core.pipeline.policies import RetryPolicy


class CarefulRetry(RetryPolicy[Any, Any]):
    """azure-core's policy, but a POST that ends in a 5xx may have been carried out and is not sent again.

    A Retry-After says that it was not: those are ridden out as ever.
    """

    def is_retry(self, settings: dict[str, Any], response: PipelineResponse[Any, Any]) -> bool:
        answer = response.http_response
        if response.http_request.method == "POST" and answer.status_code >= 500:
            return bool(answer.headers.get("Retry-After"))
        return super().is_retry(settings, response)
