"""What the chosen run is: what it used, what it reached, what it made."""

from __future__ import annotations

from collections.abc import Iterable

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Link, Static

from mlops_tui.events import RunDescribed
from mlops_tui.tui.state.training import RunRow
from mlops_tui.tui.words.labels import duration, figure, gate_word, metric_title, parameter, run_sign
from mlops_tui.tui.words.plain import plain

WEB = ("https://", "http://")
LABEL = 12  # cells
NO_RUN = "No run is chosen. Move to one in the table above."


class RunDetails(VerticalScroll):
    """`show` fills it; text in it can be selected and copied."""

    DEFAULT_CSS = """
    RunDetails {
        padding: 0 1; background: $background; scrollbar-size-vertical: 1;
        Static { width: 1fr; height: auto; }
        Link { width: 1fr; height: auto; }
        &:focus { background: $surface; }
    }
    """

    def compose(self) -> ComposeResult:
        yield Static("", classes="facts")
        yield Link("", url="", tooltip="Open its page in the browser (u)")
        yield Static("", classes="more")

    def show(self, row: RunRow | None, gate: str = "", described: RunDescribed | None = None, note: str = "") -> None:
        """`note` says why more is not known (yet)."""
        link = self.query_one(Link)
        url = plain(row.url) if row and row.url.startswith(WEB) else ""
        link.text = link.url = url
        link.display = bool(url)
        self.query_one(".facts", Static).update(_facts(row, gate) if row else Content(NO_RUN))
        more = _made(described) if described else Content.styled(note, "$text-muted")
        self.query_one(".more", Static).update(more if row else Content())


def _facts(row: RunRow, gate: str) -> Content:
    state = f"{run_sign(row)} {row.state}" + (", the best of its build" if row.best else "")
    took = duration(row.seconds)
    word = gate_word(row)
    metrics = [f"{metric_title(name)} {figure(value)}" for name, value in row.metrics.items()]
    return _lines(
        [
            ("run", row.name),
            ("state", f"{state}, {took}" if took else state),
            ("", row.detail),
            ("parameters", ", ".join(f"{name} {parameter(value)}" for name, value in row.parameters.items())),
            ("metrics", ", ".join(metrics) or ("none yet" if not row.ended else "none")),
            ("gate", f"{word}: {gate}" if word and gate else word),
            ("build", row.build),
            ("MLflow run", row.run_id),
        ]
    )


def _made(described: RunDescribed) -> Content:
    tags = {name: value for name, value in described.tags.items() if not name.startswith("mlflow.")}
    return _lines(
        [
            ("data", tags.pop("data_source", "")),
            ("SHA-256", tags.pop("data_sha256", "")),
            ("model", described.model_uri or "none"),
            *_listed("tags", (f"{name} = {value}" for name, value in sorted(tags.items()))),
            *_listed("artifacts", described.artifacts),
        ]
    )


def _listed(label: str, values: Iterable[str]) -> list[tuple[str, str]]:
    """The label stands beside the first one."""
    return [(label if number == 0 else " ", value) for number, value in enumerate(list(values) or ["none"])]


def _lines(facts: Iterable[tuple[str, str]]) -> Content:
    lines = [
        Content.assemble((f"{label:<{LABEL}} ", "$text-muted"), plain(value)) for label, value in facts if value.strip()
    ]
    return Content("\n").join(lines)
