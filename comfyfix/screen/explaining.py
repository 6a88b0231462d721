"""What the words for an end mean, and what helps: for `explain`, and for the documentation."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from comfyfix.outcomes import BY_EXIT_CODE, Outcome
from comfyfix.screen import words
from comfyfix.screen.words import t


class Explained(NamedTuple):
    """What one word means, and what to do about it; `helps` may be empty."""

    means: str
    helps: str = ""


def lines(word: str, explained: Explained) -> Iterator[str]:
    """One word explained, as people read it."""
    yield f"{word}: {explained.means}"
    if explained.helps:
        yield f"  {t('What helps:')} {explained.helps}"


def find(asked: str) -> dict[str, Explained]:
    """What may be meant by a word: outcomes, verdicts, exit codes, names of reasons."""
    word = " ".join(asked.lower().replace("_", " ").replace("-", " ").split())
    found = {name: told for name, told in known().items() if name == word}
    if word.isdigit() and int(word) in BY_EXIT_CODE:
        outcome = str(BY_EXIT_CODE[int(word)])
        found[outcome] = outcomes()[outcome]
    reason = None if found else words.template(word.replace(" ", "_"))
    if reason is not None:
        cause = f": {reason.cause}" if reason.cause else ""
        found[word.replace(" ", "_")] = Explained(f"{reason.what}{cause}", reason.next_step)
    return found


def known() -> dict[str, Explained]:
    """All words that have an explanation, but for the names of single reasons."""
    return {**outcomes(), **verdicts(), **standings(), **exit_codes()}


@functools.cache
def outcomes() -> Mapping[str, Explained]:
    """How a try at a model ends: the words of the ledger, of results and of the summary."""
    told = {
        Outcome.DONE: Explained(t("the file is there, and it is the one meant")),
        Outcome.SETUP: Explained(
            t("the manifest, or a folder that it names, does not fit"),
            t("mend the line that the message names"),
        ),
        Outcome.WORKFLOW: Explained(
            t("a workflow can't be read, or holds none"),
            t("open it in ComfyUI and save it anew; or take it out of `workflows:`"),
        ),
        Outcome.NAME_REFUSED: Explained(
            t("the name in the workflow can't be the name of a model file"),
            t("choose the file anew in the node"),
        ),
        Outcome.FOLDER_UNKNOWN: Explained(
            t("nobody knows in which model folder the node looks"),
            t("say `folder:` for the model in manifest.yaml"),
        ),
        Outcome.UNREACHABLE: Explained(
            t("the file lies on a disk that is not there now"), t("mount it, and run again")
        ),
        Outcome.CONFLICT: Explained(
            t("another file has the name already; it is never replaced"),
            t("move it, or rename it, and run again"),
        ),
        Outcome.NOT_FOUND: Explained(
            t("every source was asked, and none has a file of this name"),
            t("give its address: `doit pin MODEL URL`; `doit why MODEL` tells what was asked"),
        ),
        Outcome.UNCERTAIN: Explained(
            t("files of this name were found, and too little shows which one is meant"),
            t("look at them with `doit why MODEL`, and settle it: `doit pin MODEL URL`"),
        ),
        Outcome.SOURCE_DOWN: Explained(
            t("a source could not be asked, so nobody knows whether it has the file"),
            t("run again later; what was found meanwhile stays"),
        ),
        Outcome.TOKEN_REFUSED: Explained(
            t("the provider does not take the token"),
            t("make a new one on the provider's page, and set its variable"),
        ),
        Outcome.HOST_REFUSED: Explained(
            t("the address leads to a host that is not allowed"),
            t("if you trust it, add it to `download: {{allow_hosts: […]}}`"),
        ),
        Outcome.DOWNLOAD_FAILED: Explained(
            t("the download ended before the file was whole"),
            t("run again: it goes on where it was"),
        ),
        Outcome.TOKEN_NEEDED: Explained(
            t("the provider gives the file only to those who are logged in"),
            t("set `HF_TOKEN` or `CIVITAI_TOKEN`, and run again"),
        ),
        Outcome.LICENCE_NEEDED: Explained(
            t("the provider wants its terms accepted first"),
            t("open the page that the message names, accept, and run again"),
        ),
        Outcome.ACCESS_PENDING: Explained(
            t("you have asked for access, and the publisher has not answered yet"),
            t("wait for the answer, and run again"),
        ),
        Outcome.EARLY_ACCESS: Explained(
            t("the file is for paying supporters until a date"),
            t("wait for that date, or buy it on its page"),
        ),
        Outcome.DOWNLOADS_DISABLED: Explained(
            t("its publisher has switched downloads off"),
            t("choose another model in the node, or get it from its publisher"),
        ),
        Outcome.NOT_PERMITTED: Explained(
            t("the provider does not give the file to this account"),
            t("use the token of an account that may have it"),
        ),
        Outcome.ARCHIVED: Explained(
            t("the provider keeps the page and gives the file no more"),
            t("find another place, and tell it: `doit pin MODEL URL`"),
        ),
        Outcome.REGION_BLOCKED: Explained(
            t("the provider does not serve the country that you ask from"),
            t("get the file elsewhere, and put it into its folder yourself"),
        ),
        Outcome.GONE: Explained(
            t("the file is no longer where it was"), t("run again: it is searched anew")
        ),
        Outcome.DISK_FULL: Explained(
            t("the disk has no room for it besides what `download: {{reserve: …}}` keeps free"),
            t("make room, or set `store:` to another disk"),
        ),
        Outcome.WRONG_CONTENT: Explained(
            t("what arrived is not the file that was promised; it got no name"),
            t("run again: it is searched anew"),
        ),
        Outcome.UNSAFE: Explained(
            t("it could run code when it is loaded; it lies beside its place, as NAME.unsafe"),
            t("take another file, best a safetensors"),
        ),
        Outcome.POLICY: Explained(
            t("the file is against a rule of `policy:` in manifest.yaml"),
            t("take another file, or change the rule"),
        ),
        Outcome.NETWORK: Explained(
            t("the network or the server failed too often in a row"),
            t("run again: it goes on where it was"),
        ),
        Outcome.LOCKED: Explained(
            t("another run is fetching the same file, and is still at it"),
            t("wait for it, and run again"),
        ),
        Outcome.UNWRITABLE: Explained(
            t("the folder of the file can't be written"), t("check its permissions and its disk")
        ),
        Outcome.TOOL_MISSING: Explained(
            t("a program is missing that a download needs"), t("install it: bash, curl")
        ),
    }
    return {str(outcome): explained for outcome, explained in told.items()}


@functools.cache
def verdicts() -> Mapping[str, Explained]:
    """What verification says of a file."""
    return {
        "ok": Explained(t("the file is whole, safe to load, and has the hash that is known of it")),
        "unverified": Explained(
            t("the file looks whole and safe, and nobody has published a hash to hold it against"),
            t("if you know its sha256, say it: `models: {{NAME: {{sha256: …}}}}`"),
        ),
        "missing": Explained(t("there is no such file"), t("run `doit`")),
        "damaged": Explained(
            t("the file is cut short or broken; it lies beside its place, as NAME.damaged"),
            t("run `doit`: it is fetched again"),
        ),
        "wrong": Explained(
            t("the file is whole, and it is another one than its name or hash says"),
            t("`doit why MODEL` tells which was meant"),
        ),
        # `unsafe` and `unreachable` are outcomes, too, and mean the same there.
    }


@functools.cache
def standings() -> Mapping[str, Explained]:
    """How a workflow stands."""
    return {
        "ready": Explained(t("ComfyUI takes every model value of the workflow")),
        "lacks models": Explained(t("files that it needs are not there yet"), t("run `doit`")),
        "not ready": Explained(
            t("the files are there, and ComfyUI refuses a value all the same"),
            t("`doit relink` writes a copy with the values that it takes"),
        ),
        "unreadable": Explained(
            t("the file can't be read as a workflow"),
            t("open it in ComfyUI and save it anew; or take it out of `workflows:`"),
        ),
    }


@functools.cache
def exit_codes() -> Mapping[str, Explained]:
    """What a command's exit code means; those of scripts are outcomes."""
    return {
        "0": Explained(t("all went well, and every needed model is there")),
        "1": Explained(t("a model failed, or something is missing"), t("read the summary")),
        "2": Explained(
            t("an error while running, of a task of yours or of comfyfix itself"),
            t("the log in `output/log` has the whole of it"),
        ),
        "3": Explained(
            t("the command or the manifest can't be used as it is"),
            t("mend what the message names"),
        ),
        "130": Explained(t("stopped by Ctrl-C"), t("run again: it goes on where it was")),
        "143": Explained(t("stopped by another program"), t("run again: it goes on where it was")),
    }
