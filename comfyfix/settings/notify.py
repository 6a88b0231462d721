"""`notify:` services that are told how a run has ended, as addresses of apprise.

Of apprise's many schemes those count that send a message and do nothing else: others start
programs, write to the machine's own log or read files. A secret is not filled in before it is
needed, so no manifest in memory holds one that the file does not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import chain
from urllib.parse import parse_qsl, quote, urlsplit

from comfyfix.records import Reason, because
from comfyfix.settings.manifest import TOKEN_VARIABLES
from comfyfix.settings.store_key import STORE_KEY
from comfyfix.why import Why

VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
"""What is filled in from the environment, here and in the rest of a manifest."""
_HOSTED = frozenset(
    {
        "apprise", "apprises", "form", "forms", "gotify", "gotifys", "hassio", "hassios", "https",
        "json", "jsons", "mailto", "mailtos", "mastodon", "mastodons", "matrix", "matrixs",
        "mmost", "mmosts", "ncloud", "nclouds", "nctalk", "nctalks", "rocket", "rockets",
        "signal", "signals", "synology", "synologys", "xml", "xmls",
    }
)  # fmt: skip
"""What follows their `://` is a host; of the others it may be a secret."""
_OTHERS = frozenset(
    {
        "dingtalk", "discord", "feishu", "gchat", "lark", "line", "mailgun", "msteams", "ntfy",
        "ntfys", "opsgenie", "pagerduty", "pbul", "pover", "prowl", "sendgrid", "simplepush",
        "slack", "tgram", "wecombot", "workflows", "wxteams", "zulip",
    }
)  # fmt: skip
SCHEMES = _HOSTED | _OTHERS
"""What a service may be named by; `https` for the addresses that Slack, Discord … hand out."""
_READERS = frozenset({"template", "pgp", "pgppub", "pgpprv", "pgpkey", "wkd", "inline"})
"""Settings in an address that let apprise read files or make keys."""
_ENTRY = re.compile(r"([A-Za-z][A-Za-z0-9]*)://[^\s/?#]\S*")
_LONGEST = 4000
_OURS = frozenset({*chain.from_iterable(TOKEN_VARIABLES.values()), STORE_KEY})


class Unfilled(Exception):
    """An address can't be made; carries the reason, which tells no secret."""

    def __init__(self, reason: Reason) -> None:
        self.reason = reason
        super().__init__(reason.why)


def flaw(entry: str) -> Reason | None:
    """What is wrong with an entry as it stands in the manifest, None if nothing is."""
    for name in VARIABLE.findall(entry):
        if name in _OURS:  # a token goes to the host that it is for
            return because(Why.NOTIFY_OWN_TOKEN, name=name)
    return None if VARIABLE.fullmatch(entry) else _unfit(entry)


def label(entry: str) -> str:
    """An entry as it may be shown: scheme and host; no host where that may be a secret."""
    if VARIABLE.fullmatch(entry):
        return entry
    scheme, _, rest = entry.partition("://")
    host = re.split(r"[/?#]", rest, maxsplit=1)[0].rpartition("@")[2]
    plain = scheme.lower() in _HOSTED and re.fullmatch(r"[\w.:\[\]-]+", host)
    return f"{scheme}://{host}" if plain else f"{scheme}://…"


def filled(entry: str, environ: Mapping[str, str]) -> str:
    """The address of an entry. Raises Unfilled.

    A variable is one part of it, whatever it holds; one that stands alone holds the whole address.
    """
    alone = VARIABLE.fullmatch(entry)

    def value(match: re.Match[str]) -> str:
        name = match[1]
        secret = environ.get(name, "").strip()
        if not secret:
            raise Unfilled(because(Why.NOTIFY_VARIABLE_UNSET, name=name))
        return secret if alone else quote(secret, safe=":")

    url = VARIABLE.sub(value, entry)
    if unfit := _unfit(url):
        raise Unfilled(unfit)
    return url


def _unfit(url: str) -> Reason | None:
    """What is wrong with an address; nothing of it but its scheme is told."""
    match = _ENTRY.fullmatch(url)
    if not match or len(url) > _LONGEST or not url.isprintable():
        return because(Why.NOTIFY_UNFIT)
    scheme = match[1].lower()
    if scheme not in SCHEMES:
        known = ", ".join(sorted(SCHEMES))
        return because(Why.NOTIFY_SCHEME_UNKNOWN, scheme=scheme, known=known)
    try:
        keys = {name.lower() for name, _ in parse_qsl(urlsplit(url).query, keep_blank_values=True)}
    except ValueError:
        return because(Why.NOTIFY_UNFIT)
    readers = keys & _READERS
    return because(Why.NOTIFY_READS, name=min(readers)) if readers else None
