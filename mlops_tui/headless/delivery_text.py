"""Delivery as plain lines: how far each stage is, images, endpoints, verdicts, approvals, predictions."""

from __future__ import annotations

from textwrap import shorten

from rich.table import Table
from rich.text import Text

from mlops_tui.events import (
    ApprovalAsked,
    Approved,
    Comparison,
    Endpoint,
    EndpointsRead,
    ImageReady,
    ImagesListed,
    LaneState,
    ModelImage,
    Predicted,
    RowsRead,
    Validated,
)
from mlops_tui.headless.lines import Lines, plain_table
from mlops_tui.headless.run_text import STATE_STYLE, when
from mlops_tui.redaction import redact

HEALTH_STYLE = {"healthy": "green", "starting": "yellow", "unhealthy": "bold red", "absent": "dim"}
VERDICT_STYLE = {"passed": "green", "failed": "bold red"}
LONGEST_REASON = 80  # characters of why a stage has failed: the whole error follows
LONGEST_BUILD = 32  # characters in a table
ROOMY = 120  # columns from which on all metrics have one, and who approved


class DeliveryText(Lines):
    """One method for each event of delivery."""

    def _lane_state(self, event: LaneState) -> None:
        if event.state in ("checking", "waiting", "will change"):
            return
        took = f"  {event.seconds:.1f} s" if event.seconds is not None and event.state != "running" else ""
        build = f"  build {event.build}" if event.build and event.state == "running" else ""
        told = event.detail if event.state != "failed" else shorten(event.detail, LONGEST_REASON, placeholder="…")
        detail = f"  {told}" if told else ""
        self._line(f"[{event.state}] {event.title}{build}{detail}{took}", STATE_STYLE.get(event.state, "bold"))

    def _image_ready(self, event: ImageReady) -> None:
        image = event.image
        made = "was built now" if event.fresh else "was there already"
        self._line(f"The image of build {image.build} {made}: model {image.model}, version {image.version}", "bold")
        self._line(f"  Image    {image.id}")
        self._line(f"  Run      {image.run_id}")
        if image.metrics:
            self._line("  Metrics  " + "  ".join(f"{name} {value:.6g}" for name, value in image.metrics.items()))

    def _images_listed(self, event: ImagesListed) -> None:
        if event.images:
            self._out.print(_images_table(event.images, roomy=self._out.width >= ROOMY))
        else:
            self._line("No images yet. Make one with `mlops-tui build`.")

    def _endpoints_read(self, event: EndpointsRead) -> None:
        for endpoint in event.endpoints:
            self._endpoint(endpoint)

    def _endpoint(self, endpoint: Endpoint) -> None:
        stage = endpoint.stage.capitalize()
        build = f", build {endpoint.build}" if endpoint.build else ""
        why = f" ({endpoint.detail})" if endpoint.detail else ""
        self._line(
            f"{stage}: {endpoint.health}{build}{why} · {endpoint.target} {endpoint.name}",
            HEALTH_STYLE.get(endpoint.health, ""),
        )
        if endpoint.url:
            self._line(f"  URL       {endpoint.url}")
        for one in endpoint.deployments:
            named = f"build {one.build}" if one.build else one.image or "an unknown image"
            model = f", {one.model} version {one.version}" if one.version else ""
            self._line(f"  Traffic   {one.traffic} % to {one.name}: {named}{model}, {one.state}")
        if endpoint.previous:
            self._line(f"  Rollback  mlops-tui rollback {endpoint.stage} brings back build {endpoint.previous}")
        if endpoint.page:
            self._line(f"  Page      {endpoint.page}")

    def _validated(self, event: Validated) -> None:
        verdict = event.verdict
        ending = "passed" if verdict.passed else "failed"
        style = VERDICT_STYLE[ending]
        self._line(f"Validation of build {verdict.build} in {verdict.stage}: {ending}, {verdict.rows} rows", style)
        for check in verdict.checks:
            word = "passed" if check.passed else "failed"
            self._line(f"  {word}  {check.name}: {check.detail}", "" if check.passed else "bold red")
        if verdict.comparisons:
            self._out.print(_comparisons_table(verdict.comparisons, verdict.champion))
        self._line(f"Answers within {verdict.p50_ms:.1f} ms (half of them), {verdict.p95_ms:.1f} ms (95 of 100).")

    def _approval_asked(self, event: ApprovalAsked) -> None:
        self._line(f"Build {event.build} is to go into {event.stage}", "bold")
        for change in event.changes:
            self._change(change)
        self._line(f"  Cost        {event.cost}")
        self._line(
            f"  Validation  {event.verdict or 'none'}: {event.detail}", VERDICT_STYLE.get(event.verdict, "yellow")
        )
        self._line(f"  To approve  {event.command}")

    def _approved(self, event: Approved) -> None:
        force = f", against the verdict: {event.force}" if event.force else ""
        self._line(f"Approved for {event.stage}: build {event.build}, by {event.by}{force}", "bold")

    def _predicted(self, event: Predicted) -> None:
        by = f" by build {event.build}" if event.build else ""
        through = f" ({event.deployment})" if event.deployment else ""
        count = f"{len(event.predictions)} prediction{'' if len(event.predictions) == 1 else 's'}"
        self._line(f"{count} from {event.stage}{by}{through} in {event.milliseconds:.1f} ms", "bold")
        for row, prediction in zip(event.rows, event.predictions, strict=False):
            self._line(f"  {prediction:.6g}  for  {_row(row)}")

    def _rows_read(self, event: RowsRead) -> None:
        self._line(f"Rows of the kept test set of build {event.build}, and what they were found to be", "bold")
        for row, target in zip(event.rows, event.target, strict=False):
            self._line(f"  {target:.6g}  for  {_row(row)}")


def _row(row: dict[str, float]) -> str:
    return "  ".join(f"{name}={value:g}" for name, value in row.items())


def _short(build: str) -> str:
    """A build's number may be as long as a branch's name; the other columns must stay in sight."""
    return build if len(build) <= LONGEST_BUILD else f"{build[: LONGEST_BUILD - 1]}…"


def _images_table(images: tuple[ModelImage, ...], roomy: bool) -> Table:
    """Newest first. 80 columns are enough for the first metric; deploying takes the build's number, not the image's."""
    metrics = list(dict.fromkeys(name for image in images for name in image.metrics))[: None if roomy else 1]
    approved = ["Approved by"] if roomy else []
    table = plain_table("Build", "Version", *(name.upper() for name in metrics), "Verdict", "Made", *approved)
    for image in images:
        table.add_row(
            Text(_short(redact(image.build))),
            Text(image.version),
            *(Text(_figure(image.metrics.get(name))) for name in metrics),
            Text(image.verdict or "–", VERDICT_STYLE.get(image.verdict, "")),
            Text(when(image.created) or "–"),
            *([Text(redact(image.approved_by) or "–")] if roomy else []),
        )
    return table


def _comparisons_table(comparisons: tuple[Comparison, ...], champion: str) -> Table:
    """Each metric as trained, as served, and as production answers on the same rows, where it does."""
    table = plain_table("  Metric", "Trained", "Served", *([f"Production (build {champion})"] if champion else []))
    for one in comparisons:
        figures = [one.trained, one.served, *([one.champion] if champion else [])]
        table.add_row(Text(f"  {one.metric.upper()}"), *(Text(_figure(figure)) for figure in figures))
    return table


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"
