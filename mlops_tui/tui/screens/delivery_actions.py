"""A build on its way, as a screen acts on it: image, staging, validation, approval. History does the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from mlops_tui.tui.dialogs.approve import ApproveDialog
from mlops_tui.tui.screens.section import Section
from mlops_tui.tui.state.delivery import DeliveryState
from mlops_tui.tui.words.deliveries import build_words, job_words

if TYPE_CHECKING:
    from mlops_tui.tui.app import MlopsApp


class DeliveryActions(Section):
    """Subclasses say which build is meant. What begins is watched in the section Delivery."""

    @property
    def delivery(self) -> DeliveryState:
        return self.desk.delivery.state

    @property
    def build_in_hand(self) -> str:
        """A build's number; empty: none."""
        raise NotImplementedError

    def action_build(self) -> None:
        if self._free():
            self.desk.delivery.build(self.build_in_hand)
            self._watch()

    def action_deploy(self) -> None:
        if self._free() and self._has_image():
            self.desk.delivery.deploy_staging(self.build_in_hand)
            self._watch()

    def action_validate(self) -> None:
        """Only what staging answers with can be measured."""
        if not self._free() or not self._has_image():
            return
        build = self.build_in_hand
        if "staging" not in self.delivery.stages_of(build):
            self._refuse(f"Staging does not answer with {build_words(build)}: press d to deploy it there first.")
            return
        self.desk.delivery.validate(build)
        self._watch()

    def action_approve(self) -> None:
        """Look at what it would mean; then somebody says yes, or does not."""
        build = self.build_in_hand
        if not self._free() or not self._has_image():
            return

        def answered(force: str | None) -> None:
            question = self.delivery.question
            if force is not None and question is not None and question.asked is not None and self._free():
                self.desk.delivery.deploy_production(question.asked.build, question.asked.image, force)
                self._watch()

        self.desk.delivery.ask_approval(build)
        cloud = self.desk.settings.get("cloud")
        practice = cloud is not None and cloud.value == "sandbox"
        self.app.push_screen(ApproveDialog(self.delivery, practice), answered)

    def _free(self) -> bool:
        """One job at a time: their steps build on each other."""
        job = self.delivery.running
        if job is not None:
            self._refuse(f"Wait for the end of this, or press c there to end it: {job_words(job)}.")
        return job is None

    def _has_image(self) -> bool:
        there = self.delivery.image_of(self.build_in_hand) is not None
        if not there:
            self._refuse(f"There is no image of {build_words(self.build_in_hand)} yet: press b to build it.")
        return there

    def _refuse(self, why: str) -> None:
        self.notify(why, title="Not yet", severity="warning", markup=False)

    def _watch(self) -> None:
        cast("MlopsApp", self.app).show_section("delivery")
