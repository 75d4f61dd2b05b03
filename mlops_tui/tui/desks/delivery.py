"""Delivery: build images, deploy, validate, approve, roll back; look at what answers, and try it."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from mlops_tui.errors import UsageError
from mlops_tui.events import Endpoint, Event, Lane, Problem, Stage
from mlops_tui.tui.connection import Request
from mlops_tui.tui.desks.line import INTERRUPTED, Line, Notice
from mlops_tui.tui.state.delivery import DeliveryState, Job, Question, TryOut
from mlops_tui.tui.state.history import HistoryState
from mlops_tui.tui.words.deliveries import ended_words, job_words

MOST_ROWS = 20  # of the kept test set, to try an endpoint with


class DeliveryDesk:
    """One job at a time; looking and trying go on beside it."""

    def __init__(self, line: Line, logs: Path, history: HistoryState) -> None:
        self.state = DeliveryState(history)
        self._line = line
        self._logs = logs
        self._request: Request | None = None  # of the job
        self._follows: dict[Stage, Request] = {}
        self._again: set[str] = set()  # what is to be read once more: it may have changed while it was being read

    @property
    def busy(self) -> list[str]:
        """What runs, in words."""
        job = self.state.running
        return [job_words(job)] if job is not None else []

    def choose(self, build: str) -> None:
        """The lanes speak of this build from now on."""
        self.state.choose(build)
        self._changed()

    # Looking

    def read(self) -> None:
        """What images there are and what answers, side by side."""
        self.state.read = True
        for what in ("endpoints", "images"):
            if what in self.state.reading:
                self._again.add(what)
            else:
                self._read(what)
        self._changed()

    def _read(self, what: str) -> None:
        state = self.state
        state.reading.add(what)
        state.unread.pop(what, None)

        def fold(event: Event) -> None:
            if not isinstance(event, Problem):
                state.fold(event)
            elif event.error.exit_code != UsageError.exit_code:  # else nothing is set up yet, and nothing wrong
                state.unread[what] = event.error
            self._changed()

        def ended(_: int) -> None:
            state.reading.discard(what)
            if what in self._again:
                self._again.discard(what)
                self._read(what)
            self._changed()

        self._line.ask(what, fold, ended)

    def follow_log(self, stage: Stage) -> None:
        """What the service itself writes, into a file that is shown as it grows."""
        following = self._follows.get(stage)
        if following is not None and following.exit_code is None:
            return
        folder = self.state.stage_logs[stage] = self._folder()

        def fold(event: Event) -> None:
            if isinstance(event, Problem) and event.error.exit_code != INTERRUPTED:  # else it was left
                title = f"The log of {stage} cannot be read"
                self._line.told(Notice(title, event.error.message, "warning", rings=False))

        self._follows[stage] = self._line.ask(
            "stage_log", fold, lambda _: self._changed(), stage=stage, follow=True, logs=str(folder)
        )
        self._changed()

    def leave_logs(self) -> None:
        """Nobody looks at them any more."""
        for request in self._follows.values():
            if request.exit_code is None:
                self._line.connection.cancel(request)
        self._follows.clear()

    # Jobs

    def build(self, build: str) -> None:
        self._begin("build", "image", build, asked={"build": build})

    def deploy_staging(self, build: str) -> None:
        self._begin("deploy", "staging", build, asked=self._deployment("staging", build))

    def deploy_production(self, build: str, image: str, force: str = "") -> None:
        """A person has said yes to just this image; `force` is why against the verdict."""
        asked = self._deployment("production", build, image) | {"approve": True, "force": force}
        self._begin("deploy", "production", build, asked=asked)

    def validate(self, build: str) -> None:
        """What staging answers with, which is this build."""
        self._begin("validate", "validation", build, asked={"stage": "staging", "build": build})

    def roll_back(self, endpoint: Endpoint) -> None:
        self._begin("rollback", endpoint.stage, endpoint.previous, asked={"stage": endpoint.stage})

    def end(self) -> None:
        """End what is at work: its job run in the cloud, where there is one; else the command here."""
        job, request = self.state.running, self._request
        if job is None or request is None:
            return
        if job.job_run and not job.ending:

            def ended(exit_code: int) -> None:
                if exit_code != 0:  # it is past that already: what is left is the command's
                    self._line.connection.cancel(request)

            self._line.ask("end_run", lambda _: None, ended, run=job.job_run)
        else:
            self._line.connection.cancel(request)
        job.ending = True
        self._changed()

    # Asking and trying

    def ask_approval(self, build: str) -> None:
        """What somebody would have to say yes to."""
        question = self.state.question = Question(build)
        self._ask_about(question.fold, "approval", build=build, image="")

    def begin_try(self, endpoint: Endpoint) -> None:
        """Real rows first: nobody knows eleven measures of a wine by heart."""
        names = tuple(deployment.name for deployment in endpoint.deployments)
        tried = self.state.try_out = TryOut(endpoint.stage, endpoint.build, names if len(names) > 1 else ())
        tried.reading = True

        def ended(_: int) -> None:
            tried.reading = False

        self._ask_about(tried.fold, "rows", ended, build=endpoint.build, limit=MOST_ROWS)

    def predict(self, row: Mapping[str, float]) -> None:
        tried = self.state.try_out
        if tried is None or tried.asking:
            return
        tried.asking, tried.predicted, tried.problem = True, None, None

        def ended(_: int) -> None:
            tried.asking = False

        asked = {"stage": tried.stage, "rows": [dict(row)], "deployment": tried.deployment}
        self._ask_about(tried.fold, "predict", ended, **asked)

    def fetch_key(self, stage: Stage, take: Callable[[str], None]) -> None:
        """Hand the endpoint's key to `take`, and to nobody else."""

        def fold(event: Event) -> None:
            if isinstance(event, Problem):
                self._line.told(Notice("The key was not copied", event.error.message, "error", rings=False))

        request = self._line.ask("endpoint_key", fold, stage=stage)
        request.on_secret = take

    # In common

    def _deployment(self, stage: Stage, build: str, image: str = "") -> dict[str, object]:
        return {"stage": stage, "image": image, "build": build, "approve": False, "force": ""}

    def _begin(self, do: str, lane: Lane, build: str, asked: Mapping[str, object]) -> None:
        if self.state.running is not None:
            return
        job = Job(do, lane, self._folder(), build)
        self.state.begin(job)

        def fold(event: Event) -> None:
            self.state.fold(event)
            self._changed()

        self._request = self._line.ask(do, fold, partial(self._ended, job), logs=str(job.folder), **asked)
        self._changed()

    def _ended(self, job: Job, exit_code: int) -> None:
        self.state.end(exit_code, INTERRUPTED)
        severity, text = ended_words(self.state, job, exit_code, INTERRUPTED)
        self._line.told(Notice("Delivery", text, severity, seen_in="delivery"))
        self.read()

    def _ask_about(
        self,
        take: Callable[[Event], None],
        do: str,
        on_end: Callable[[int], None] = lambda _: None,
        **asked: object,
    ) -> None:
        def fold(event: Event) -> None:
            take(event)
            self._changed()

        def ended(exit_code: int) -> None:
            on_end(exit_code)
            self._changed()

        self._line.ask(do, fold, ended, **asked)

    def _folder(self) -> Path:
        return self._logs / secrets.token_hex(6)

    def _changed(self) -> None:
        self._line.changed("delivery")
