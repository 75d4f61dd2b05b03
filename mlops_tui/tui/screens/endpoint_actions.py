"""What is done with an endpoint: try it, roll it back, copy its key and address, open its page."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from mlops_tui.events import Endpoint
from mlops_tui.tui.dialogs.confirm_rollback import ConfirmRollback
from mlops_tui.tui.screens.delivery_actions import DeliveryActions
from mlops_tui.tui.state.lanes import STAGE_OF
from mlops_tui.tui.widgets.lanes import Lanes
from mlops_tui.tui.words.plain import plain

if TYPE_CHECKING:
    from mlops_tui.tui.app import MlopsApp

WEB = ("https://", "http://")


class EndpointActions(DeliveryActions):
    """The screen has Lanes: the endpoint of the lane in hand is meant."""

    @property
    def lanes(self) -> Lanes:
        return self.query_one(Lanes)

    @property
    def endpoint(self) -> Endpoint | None:
        """Of the stage in hand, where something is deployed."""
        endpoint = self.delivery.endpoints.get(STAGE_OF[self.lanes.lane])
        return endpoint if endpoint is not None and endpoint.health != "absent" else None

    def action_roll_back(self) -> None:
        endpoint = self.endpoint
        if endpoint is None or not self._free():
            return

        def answered(sure: bool | None) -> None:
            if sure and self._free():
                self.desk.delivery.roll_back(endpoint)

        self.app.push_screen(ConfirmRollback(endpoint), answered)

    def action_try_it(self) -> None:
        from mlops_tui.tui.dialogs.try_it import TryItDialog

        endpoint = self.endpoint
        if endpoint is None:
            return
        self.desk.delivery.begin_try(endpoint)
        tried = self.delivery.try_out
        if tried is not None:
            self.app.push_screen(TryItDialog(self.desk.delivery, tried))

    def action_copy_key(self) -> None:
        endpoint = self.endpoint
        if endpoint is not None:
            self.desk.delivery.fetch_key(endpoint.stage, self._take_key)

    def _take_key(self, key: str) -> None:
        """Straight into the clipboard of the terminal; nothing here keeps or shows it."""
        cast("MlopsApp", self.app).copy_secret(key)
        self.app.notify("The endpoint's key is in the clipboard.", title="Copied", markup=False)

    def action_copy(self) -> None:
        """On the first lane the image's, else the endpoint's address."""
        image, endpoint = self.delivery.image_of(self.build_in_hand), self.endpoint
        of_image = self.lanes.lane == "image" and image is not None
        text = image.id if of_image and image else endpoint.url if endpoint else ""
        if text:
            self.app.copy_to_clipboard(plain(text))
            what = "image" if of_image else "endpoint"
            self.notify(f"The {what}'s address is in the clipboard.", title="Copied", markup=False)

    def action_open_page(self) -> None:
        """On the first lane the model's, else the endpoint's."""
        image, endpoint = self.delivery.image_of(self.build_in_hand), self.endpoint
        of_image = self.lanes.lane == "image" and image is not None
        url = image.url if of_image and image else endpoint.page if endpoint else ""
        if url.startswith(WEB):
            self.app.open_url(url)
        else:
            self.notify("It has no page.", title="No page", severity="warning", markup=False)
