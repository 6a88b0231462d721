"""What the pages for a browser, `report.html` and the dashboard, say alike."""

from __future__ import annotations

from comfyfix.screen.words import t


def words() -> dict[str, str]:
    """The words of both; `%1` and `%2` are filled in by the page itself."""
    return {
        "skip": t("To the models"),
        "models": t("Models"),
        "workflows": t("Workflows"),
        "search": t("Search"),
        "status": t("Status"),
        "all": t("Show all"),
        "shown": t("{count} of {all} shown", count="%1", all="%2"),
        "none": t("No model is like that."),
        "next": t("Next:"),
        "hint": t("/ searches, Esc shows all"),
    }


def states() -> dict[str, str]:
    """Each state of a model, of a workflow and of a run in words."""
    return {
        "open": t("not begun"),
        "searching": t("searching"),
        "waiting": t("waiting"),
        "downloading": t("downloading"),
        "verifying": t("verifying"),
        "arrived": t("arrived"),
        "ok": t("ok"),
        "unverified": t("unverified"),
        "missing": t("missing"),
        "failed": t("failed"),
        "ready": t("ready"),
        "complete": t("all models there"),
        "lacks models": t("lacks models"),
        "not ready": t("not ready"),
        "unreadable": t("unreadable"),
        "none": t("No run yet"),
        "running": t("Running"),
        "ended": t("The run is over"),
        "stopped": t("The run was stopped"),
        "gone": t("The run has ended without a word"),
    }
