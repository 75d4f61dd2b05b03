"""What somebody sees who clicks on a link of the practice cloud."""

from __future__ import annotations

import ssl
import urllib.request

import pytest

from tests.conftest import LiveSandbox

pytestmark = pytest.mark.xdist_group("workspace")


@pytest.mark.parametrize(
    "path", ["/", "/?o=2814749767106561#job/100/run/1002", "/ml/experiments/1/runs/abc", "/jobs/100"]
)
def test_links_lead_to_a_page_that_says_where_to_look(live: LiveSandbox, path: str) -> None:
    context = ssl.create_default_context(cafile=str(live.ca))
    with urllib.request.urlopen(live.origin + path, context=context, timeout=10) as answer:
        assert answer.headers["Content-Type"].startswith("text/html")
        assert "mlops-tui logs RUN" in answer.read().decode()
