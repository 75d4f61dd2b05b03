"""A verdict in words: its checks, and champion and challenger side by side."""

from __future__ import annotations

from collections.abc import Mapping

from textual.content import Content

from mlops_tui.events import Comparison, ModelImage, Verdict
from mlops_tui.tui.words.builds import when
from mlops_tui.tui.words.deliveries import build_words
from mlops_tui.tui.words.labels import HIGHER_IS_BETTER, figure, metric_title
from mlops_tui.tui.words.plain import plain
from mlops_tui.tui.words.signs import STEP_SIGNS

VERDICT_COLOURS: Mapping[str, str] = {"passed": "success", "failed": "error"}
VERDICT_SIGNS: Mapping[str, str] = {"passed": STEP_SIGNS["done"], "failed": STEP_SIGNS["failed"]}
METRIC, COLUMN = 10, 12  # cells


def verdict_word(passed: bool) -> str:
    return "passed" if passed else "failed"


def verdict_text(verdict: Verdict) -> Content:
    """All that a validation found: the figures first, for there is not always room for more."""
    return Content("\n").join([_head(verdict), comparison_text(verdict), Content(""), checks_text(verdict)])


def checks_text(verdict: Verdict) -> Content:
    """A line for each question, with what was found."""
    lines = []
    for check in verdict.checks:
        word = verdict_word(check.passed)
        sign = (f"{VERDICT_SIGNS[word]} {word} ", f"${VERDICT_COLOURS[word]}")
        lines.append(Content.assemble(sign, (plain(check.name), "bold"), f": {plain(check.detail)}"))
    return Content("\n").join(lines)


def comparison_text(verdict: Verdict) -> Content:
    """The metrics as trained, as served, and as the champion in production has them on the very same rows."""
    heads = ["trained", plain(verdict.stage), *(["production"] if verdict.champion else [])]
    lines = [Content.styled(f"{'metric':<{METRIC}}" + "".join(f"{head:>{COLUMN}}" for head in heads), "$text-muted")]
    for compared in verdict.comparisons:
        values = [compared.trained, compared.served, *([compared.champion] if verdict.champion else [])]
        name = metric_title(compared.metric)
        cells = "".join(f"{figure(value) or '–':>{COLUMN}}" for value in values)
        lines.append(Content.assemble(f"{name[: METRIC - 1]:<{METRIC}}{cells}", _judged(compared, verdict)))
    against = f"Production is {build_words(verdict.champion)}, on the same rows." if verdict.champion else NO_CHAMPION
    return Content("\n").join([*lines, Content.styled(against, "$text-muted")])


def found_text(image: ModelImage) -> Content:
    """The short form that is kept with the model: "equals training: rmse 0.71, trained 0.71; champion: …"."""
    return Content(plain(image.verdict_detail))


FOUND = "What the validation has found"
NO_CHAMPION = "Nothing is in production yet: there is no champion to be compared with."


def _head(verdict: Verdict) -> Content:
    word = verdict_word(verdict.passed)
    said = f"{VERDICT_SIGNS[word]} {word}"
    more = f" · {verdict.rows} rows · {when(verdict.at)}"
    return Content.assemble((said, f"bold ${VERDICT_COLOURS[word]}"), (more, "$text-muted"))


def _judged(compared: Comparison, verdict: Verdict) -> str:
    """Challenger against champion, in a word."""
    served, champion = compared.served, compared.champion
    if not verdict.champion or served is None or champion is None or served != served or champion != champion:
        return ""
    if served == champion:
        return "  equal"
    return "  better" if (served > champion) == (compared.metric in HIGHER_IS_BETTER) else "  worse"
