"""What a command has come to, as Markdown for a CI host's page: metrics, verdict, links, and what went wrong."""

from __future__ import annotations

import re

from mlops_tui.events import (
    ApprovalAsked,
    CommandFinished,
    CommandStarted,
    Comparison,
    Endpoint,
    EndpointsRead,
    ErrorCard,
    Event,
    Identified,
    ImageReady,
    ModelImage,
    Problem,
    RunsCompared,
    Validated,
    Verdict,
)
from mlops_tui.redaction import redact

MOST_LINKS = 12
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#+!|~&@-])")


class Summary:
    """Folds the events of one command."""

    def __init__(self) -> None:
        self._command = ""
        self._ending = ""
        self._compared: RunsCompared | None = None
        self._image: ModelImage | None = None
        self._verdict: Verdict | None = None
        self._endpoints: tuple[Endpoint, ...] = ()
        self._asked: ApprovalAsked | None = None
        self._errors: list[ErrorCard] = []
        self._links: dict[str, str] = {}

    def take(self, event: Event) -> None:
        match event:
            case CommandStarted():
                self._command = event.command
            case CommandFinished():
                done = "done" if event.exit_code == 0 else f"ended with exit code {event.exit_code}"
                self._ending = f"{done} after {event.seconds:.0f} s. {event.summary}".strip()
            case Problem():
                self._errors.append(event.error)
            case RunsCompared():
                self._compared = event
            case ImageReady():
                self._image = event.image
            case Validated():
                self._verdict = event.verdict
            case EndpointsRead():
                self._endpoints = event.endpoints
            case ApprovalAsked():
                self._asked = event
            case Identified() if event.url.startswith("https://") and not event.step:
                self._links[f"{event.what} {event.id}"] = event.url

    def markdown(self) -> str:
        parts = [f"### mlops-tui {_text(self._command)}".rstrip(), _text(self._ending)]
        parts += [_error(error) for error in self._errors]
        parts.append(_runs(self._compared) if self._compared else "")
        parts.append(_image(self._image) if self._image else "")
        parts.append(_verdict(self._verdict) if self._verdict else "")
        parts.append(_asked(self._asked) if self._asked else "")
        parts += [_endpoint(endpoint) for endpoint in self._endpoints if endpoint.health != "absent"]
        parts.append("\n".join(f"- {_link(what, url)}" for what, url in list(self._links.items())[:MOST_LINKS]))
        return "\n\n".join(part for part in parts if part) + "\n\n"


def _error(error: ErrorCard) -> str:
    code = f" ({error.code})" if error.code and error.code not in error.message else ""
    lines = [f"**Error:** {_text(error.message + code)}"]
    lines += [_text(error.hint)] if error.hint else []
    lines += [_link("Read more", error.link)] if error.link.startswith("https://") else []
    raw = "\n".join(f"    {line}" for line in redact(error.raw).splitlines())  # as code, whatever it holds
    return "\n\n".join([*lines, raw] if raw else lines)


def _runs(compared: RunsCompared) -> str:
    names = list(dict.fromkeys(name for result in compared.results for name in result.metrics))
    rows = [
        [
            _link(result.name, result.url) if result.url.startswith("https://") else _text(result.name),
            result.status,
            *(_figure(result.metrics.get(name)) for name in names),
            "**best**" if result.best else "",
        ]
        for result in compared.results
    ]
    passed = "is passed" if compared.passed else "is missed"
    ending = f"Best: {_text(compared.best or 'none')}. The gate {_text(compared.gate)} {passed}."
    heads = ["Run", "State", *(_text(name.upper()) for name in names), ""]
    return f"**Runs of build {_text(compared.build)}**\n\n{_table(heads, rows)}\n\n{ending}"


def _image(image: ModelImage) -> str:
    return f"**Image of build {_text(image.build)}**: `{redact(image.id).replace('`', '')}`" + (
        f", {_link(f'{image.model} version {image.version}', image.url)}" if image.url.startswith("https://") else ""
    )


def _verdict(verdict: Verdict) -> str:
    ending = "passed" if verdict.passed else "**failed**"
    checks = [
        f"- {'passed' if one.passed else '**failed**'}: {_text(f'{one.name}: {one.detail}')}" for one in verdict.checks
    ]
    rows = [_comparison(one) for one in verdict.comparisons]
    table = _table(["Metric", "Trained", "Served", "Production"], rows) if rows else ""
    head = f"**Validation of build {_text(verdict.build)} in {verdict.stage}**: {ending}, {verdict.rows} rows"
    return "\n\n".join(part for part in (head, "\n".join(checks), table) if part)


def _comparison(one: Comparison) -> list[str]:
    return [_text(one.metric.upper()), _figure(one.trained), _figure(one.served), _figure(one.champion)]


def _asked(asked: ApprovalAsked) -> str:
    verdict = asked.verdict or "none"
    return f"**Build {_text(asked.build)} for {asked.stage}**: {_text(asked.cost)}; validation: {verdict}"


def _endpoint(endpoint: Endpoint) -> str:
    build = f", build {_text(endpoint.build)}" if endpoint.build else ""
    url = f": `{redact(endpoint.url).replace('`', '')}`" if endpoint.url else ""
    page = f" ({_link('portal', endpoint.page)})" if endpoint.page.startswith("https://") else ""
    return f"**{endpoint.stage.capitalize()}** is {endpoint.health}{build}{url}{page}"


def _table(heads: list[str], rows: list[list[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def _link(text: str, url: str) -> str:
    address = redact(url).replace(" ", "%20").replace("<", "%3C").replace(">", "%3E")
    return f"[{_text(text)}](<{' '.join(address.split())}>)"


def _text(text: str) -> str:
    """Text from outside on one line, none of it a sign of Markdown's or HTML's."""
    return _SPECIAL.sub(r"\\\1", " ".join(redact(text).split()))
