"""Orders from the page, handed on to the run that is shown, and to no other."""

from __future__ import annotations

from comfyfix.dashboard.follow import Follow
from comfyfix.net import local
from comfyfix.screen.words import t
from comfyfix.state.layout import Layout
from comfyfix.state.orders import read_answer, read_order


class Orders:
    """Takes orders for the run that is followed."""

    def __init__(self, layout: Layout, follow: Follow) -> None:
        self._layout, self._follow = layout, follow

    def __call__(self, body: bytes) -> str:
        """Hand an order on; returns what went wrong, empty for nothing."""
        order = read_order(body)
        if order is None:
            return t("This is no order.")
        head = self._follow.head
        if head.state != "running" or order.run != head.run:
            return t("That run is over.")
        path = self._layout.control(head.control)
        if path is None:
            return t("This run takes no orders: it has no socket.")
        try:
            answer = read_answer(local.ask(path, body))
        except local.NotOurs:
            return t("The socket of this run is not ours, or others may write to it: not used.")
        except OSError:
            return t("The run does not answer.")
        return "" if answer.done else t("The run can't do that now.")
