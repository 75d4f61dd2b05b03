"""Runs of the pipeline, as a screen acts on them: queue, follow, approve, cancel, open the page."""

from __future__ import annotations

from mlops_tui.events import ModelImage
from mlops_tui.tui.dialogs.approve_run import ApproveRunDialog
from mlops_tui.tui.dialogs.ending import EndingDialog
from mlops_tui.tui.dialogs.queue_run import QueueRunDialog, RunWanted
from mlops_tui.tui.screens.section import Section
from mlops_tui.tui.state.pipelines import PipelinesState, RunRow
from mlops_tui.tui.words.pipelines import run_words
from mlops_tui.tui.words.plain import plain

WEB = ("https://", "http://")


class PipelineActions(Section):
    """What is done is done with the run in hand; what cannot be taken back asks first."""

    @property
    def pipelines(self) -> PipelinesState:
        return self.desk.pipelines.state

    @property
    def row(self) -> RunRow | None:
        return self.pipelines.row

    def action_new_run(self) -> None:
        """The form; then it is queued, and followed."""

        def answered(wanted: RunWanted | None) -> None:
            if wanted is not None:
                self.desk.pipelines.queue(wanted.stage, wanted.build_number, wanted.branch)

        branch = self.desk.settings.get("ci_branch")
        self.app.push_screen(QueueRunDialog(branch.value if branch else ""), answered)

    def action_approve(self) -> None:
        """What it would let through; then somebody says yes, or does not."""
        row = self.row
        approval = row.approval if row else None
        if row is None or approval is None or not approval.mine:
            return

        def answered(comment: str | None) -> None:
            if comment is not None and approval.id in row.approvals:
                self.desk.pipelines.approve(row.run.id, comment)

        def find_image() -> ModelImage | None:
            return self.desk.delivery.state.image_of(row.run.number)

        self.app.push_screen(ApproveRunDialog(row.run, approval, find_image), answered)

    def action_end(self) -> None:
        row = self.row
        if row is None or row.ended:
            return

        def answered(sure: bool | None) -> None:
            if sure and not row.ended:
                self.desk.pipelines.cancel(row.run.id)

        question = f"Cancel this run on {plain(self.pipelines.host) or 'its host'}? What is deployed stays."
        self.app.push_screen(EndingDialog(question, [run_words(row.run)]), answered)

    def action_follow(self) -> None:
        if self.row is not None:
            self.desk.pipelines.follow(self.row.run.id)

    def action_read(self) -> None:
        """The runs; and the one in hand anew, where nobody follows it."""
        self.desk.pipelines.list_runs()

    def action_open_page(self) -> None:
        """Of the run in hand; where there is none, of the pipeline."""
        url = self._page()
        if url:
            self.app.open_url(url)

    def action_copy(self) -> None:
        url = self._page()
        if url:
            self.app.copy_to_clipboard(url)
            self.notify("The address of its page is in the clipboard.", title="Copied", markup=False)

    def _page(self) -> str:
        url = plain(self.row.run.url if self.row else self.pipelines.page)
        return url if url.startswith(WEB) else ""
