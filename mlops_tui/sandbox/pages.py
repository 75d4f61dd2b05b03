"""The one page a browser gets: links of the practice cloud lead here, where the real portals would show theirs."""

from __future__ import annotations

from starlette.responses import HTMLResponse, Response

from mlops_tui.sandbox.api import Call, Endpoint, Service
from mlops_tui.sandbox.blob_containers import BlobContainers
from mlops_tui.sandbox.blob_dialect import is_for_storage
from mlops_tui.sandbox.dialects import OPEN

PATHS = ("/", "/ml/{rest:path}", "/jobs/{rest:path}", "/compute/{rest:path}")
PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>The practice cloud of mlops-tui</title>
<style>body { font: 1.1rem/1.6 system-ui, sans-serif; max-width: 40rem; margin: 4rem auto; padding: 0 1rem }</style>
<h1>The practice cloud</h1>
<p>On the real cloud this link opens a page of Azure or Databricks. This one is on your own machine; it speaks their
protocols, and has no pages of its own.</p>
<p>Look from the terminal instead:</p>
<pre>mlops-tui runs
mlops-tui logs RUN
mlops-tui sandbox status</pre>
</html>
"""


class Pages(Service):
    """GET of what people click on."""

    dialect = OPEN

    def routes(self) -> list[Endpoint]:
        return [self.on("GET", path, self.show) for path in PATHS]

    def show(self, call: Call) -> Response:
        if call.path == "/" and is_for_storage(call):
            return self.sandbox.find(BlobContainers).list_all(call)
        return HTMLResponse(PAGE)
