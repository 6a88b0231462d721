"""The `dashboard` command: a page in the browser that follows a run of another process."""

from __future__ import annotations

import secrets
from typing import Any

from comfyfix.errors import SetupProblem
from comfyfix.screen.objects import say_json
from comfyfix.screen.text import say
from comfyfix.screen.words import t
from comfyfix.setup import read_setup
from comfyfix.state.layout import Layout
from comfyfix.tasks.commands.base import ProjectCommand, require_no_names
from comfyfix.tasks.face.options import JSON_OPTION, option, switch
from comfyfix.why import Why

PORT_MAX = 65_535


class Dashboard(ProjectCommand):
    """Serve the live page of the newest run."""

    doc_purpose = t("follow a run of another process in the browser")
    doc_usage = ""
    doc_description = t(
        "Serves a page on this computer alone; its address, with the token that opens it, is the "
        "first line. It shows models, batches, speed, failures and workflows as they come, and the "
        "report once no run is at work. Needs `comfyfix[dashboard]`. Ctrl-C ends it, and no run."
    )
    cmd_options = (
        JSON_OPTION,
        option("port", 0, t("the port of the page (default: a free one)")),
        switch("control", t("let the page stop a run, and have a model searched again")),
    )
    name = "dashboard"
    serves = True

    def work(self, options: dict[str, Any], names: list[str]) -> int:
        """Serve until it is stopped."""
        require_no_names(names, Why.DASHBOARD_TAKES_NONE)
        projects = self.projects(options)
        if len(projects) != 1:
            prefixes = sorted(project.prefix for project in projects)
            raise SetupProblem(Why.DASHBOARD_PROJECTS, names=prefixes)
        layout = read_setup(projects[0].manifest, bool).layout
        return _serve(layout, options)


def _serve(layout: Layout, options: dict[str, Any]) -> int:
    try:
        from comfyfix.dashboard import follow, orders, server
    except ImportError as error:
        raise SetupProblem(Why.DASHBOARD_EXTRA, cause=str(error)) from None
    port = options["port"]
    if not 0 <= port <= PORT_MAX:
        raise SetupProblem(Why.DASHBOARD_PORT, port=port, cause=t("there is no such port"))
    try:
        listening = server.bound(port)
    except OSError as error:
        raise SetupProblem(Why.DASHBOARD_PORT, port=port, cause=error.strerror) from None
    with listening:
        port = listening.getsockname()[1]
        token = secrets.token_urlsafe(32)
        following = follow.Follow(layout)
        order = orders.Orders(layout, following) if options["control"] else None
        app = server.app(following, token, port, order)
        address = f"http://127.0.0.1:{port}/?token={token}"
        if options["as_json"]:
            say_json({"address": address})
        else:
            say(address)
        server.Server(app).run(sockets=[listening])
    return 0
