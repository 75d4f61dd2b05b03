"""How a run that ended badly is told: where it failed, its errors, what to do now, its page."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mlops_tui.errors import RunFailedError
from mlops_tui.events import PipelinePart, PipelineRun
from mlops_tui.pipelines.parts import innermost, source_of

GRANT = "https://aka.ms/azpipelines-parallelism-request"
# Words of an error, and what helps.
HINTS = (
    (
        # learn.microsoft.com/azure/devops/pipelines/troubleshooting: a new organisation is granted none by itself
        "hosted parallelism",
        f"Ask Microsoft for the free grant ({GRANT}; it takes some days), or have agents of your own do it: --ci-pool.",
    ),
    (
        "AADSTS7002",
        "`mlops-tui setup` compares what the application trusts with what the host sends, and mends it.",
    ),
)
MEND = "Its log says more. Mend the cause, then start another: mlops-tui ci run"


def failure(
    run: PipelineRun, parts: Sequence[PipelinePart], last_lines: Callable[[str], Sequence[str]] = lambda _: ()
) -> RunFailedError:
    """Of a run that has failed or was cancelled. `last_lines` of a part's log serve where the host names no error."""
    if run.state == "canceled":
        return RunFailedError(
            f"Run {run.id} was cancelled before its end.", hint="Start another: mlops-tui ci run", link=run.url
        )
    all_failed = [part for part in parts if part.state == "failed"]
    failed = list(innermost(all_failed))
    where = f" in {source_of(failed[0], parts)}" if failed else ""
    errors = _errors(failed) or _errors(all_failed)
    printed = last_lines(failed[0].id) if failed else ()
    raw = "\n".join(errors) or run.detail or "\n".join(printed)
    return RunFailedError(
        f"Run {run.id} (build {run.number}) has failed{where}.",
        hint=next((hint for words, hint in HINTS if words in f"{raw}\n{run.detail}"), MEND),
        link=run.url,
        raw=raw,
    )


def _errors(parts: Sequence[PipelinePart]) -> list[str]:
    return list(dict.fromkeys(line for part in parts for line in part.detail.splitlines() if line.strip()))
