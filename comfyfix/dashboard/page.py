"""The page itself: words and a frame. What it shows comes later, and is set as text."""

from __future__ import annotations

import msgspec

from comfyfix import templates
from comfyfix.screen import pages
from comfyfix.screen.words import t


def page(token: str, *, control: bool) -> bytes:
    """The page as HTML. `control`: it may stop the run and ask for a model again."""
    template = templates.environment().get_template("dashboard/page.html.j2")
    html = template.render(
        token=token,
        control=control,
        w=_frame_words(),
        told=msgspec.json.encode({"w": _script_words(), "states": pages.states()}).decode(),
        columns=(t("Status"), t("Model"), t("Batch"), t("Size"), t("News")),
        chips=(
            ("failed", t("failed")),
            ("work", t("at work")),
            ("open", t("open")),
            ("there", t("there")),
        ),
    )
    return html.encode()


def _frame_words() -> dict[str, str]:
    return pages.words() | {
        "title": t("comfyfix: the run"),
        "waiting": t("Waiting for the first news …"),
        "stop": t("Stop the run"),
        "sure": t("Stop it now"),
        "keep": t("Let it run"),
        "throughput": t("Bytes a second"),
        "work": t("At work"),
        "idle": t("Nothing is being searched or downloaded."),
        "failures": t("Failures"),
        "no_failures": t("None so far."),
        "no_workflows": t("None is known yet."),
        "past": t("Earlier runs"),
        "no_past": t("None."),
        "noscript": t("This page needs JavaScript: it is all from this computer."),
        "begun": t("Begun"),
        "took": t("Took"),
        "came": t("Came to"),
    }


def _script_words() -> dict[str, str]:
    return pages.words() | {
        "of_models": t("{done} of {total} models are there", done="%1", total="%2"),
        "failed": t("{count} failed", count="%1"),
        "left": t("{time} to go", time="%1"),
        "rate": t("{size}/s", size="%1"),
        "peak": t("at most {size}/s", size="%1"),
        "since": t("for {time}", time="%1"),
        "took": t("took {time}", time="%1"),
        "code": t("exit code {code}", code="%1"),
        "ready": t("{ready} of {all} are ready", ready="%1", all="%2"),
        "complete": t("{ready} of {all} have all their models", ready="%1", all="%2"),
        "there": t("{there} of {all} models", there="%1", all="%2"),
        "no_models": t("no models"),
        "of_size": t("{arrived} of {size}", arrived="%1", size="%2"),
        "lost": t("The dashboard does not answer: is it still running?"),
        "start": t("Start one in another terminal: `comfyfix`"),
        "again": t("Search again"),
        "asked": t("It is its turn once more when this run is through."),
        "choices": t("{count} files may be meant:", count="%1"),
        "choose": t("Take this one"),
        "page": t("its page"),
        "stopping": t("The run is stopping."),
        "no_control": t("This run takes no orders: it has no socket."),
        "by_hand": t("To try again: `{command}`", command="%1"),
        "without_end": t("ended without a word"),
        "stopped": t("stopped"),
        "done": t("{count} done", count="%1"),
        "batch": t("Batch {number}", number="%1"),
    }
