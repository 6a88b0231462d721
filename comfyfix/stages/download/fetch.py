"""Fetch: run a script, and turn the way it ended into a receipt or a problem."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from comfyfix.comfyui.store.folders import Folders
from comfyfix.comfyui.store.keys import folder_key
from comfyfix.disk.files import git_blob_of, led_into, sha256_of
from comfyfix.errors import ModelProblem, Unreachable
from comfyfix.loose_json import sha256
from comfyfix.mirrors.handing import Handed
from comfyfix.nearby.lending import Lender
from comfyfix.net import proxies
from comfyfix.net.exchange import authority
from comfyfix.net.urls.hosts import endpoint_of
from comfyfix.outcomes import BY_EXIT_CODE, BY_KIND, Outcome
from comfyfix.process import Children
from comfyfix.records import Model, Reason, Receipt, Record, because
from comfyfix.script import channel
from comfyfix.settings.manifest import TOKEN_VARIABLES, Endpoints
from comfyfix.settings.mirror import VARIABLE as MIRROR_VARIABLE
from comfyfix.settings.secrets import without_secrets
from comfyfix.settings.switches import OFFLINE
from comfyfix.stages.download.talk import BEGUN, Talk, identity
from comfyfix.stages.lock import locked
from comfyfix.state import receipts
from comfyfix.why import Why

if TYPE_CHECKING:
    from comfyfix.net.relay.relay import Relay

ENDPOINT_VARIABLES = {"huggingface": "HF_ENDPOINT", "civitai": "CIVITAI_ENDPOINT"}
NEAR_VARIABLE = "COMFYFIX_NEAR"
"""By it a script is told to ask for the bytes before it goes to the network."""
_ANEW = (Outcome.WRONG_CONTENT, Outcome.GONE)
"""What another search might help against: of what is locked there is none."""


def environment(
    base: Mapping[str, str],
    record: Record,
    endpoints: Endpoints,
    tokens: Mapping[str, str],
    *,
    folder: Path,
    demo: bool,
) -> dict[str, str]:
    """Make the environment of a script: of our tokens it gets the one that it needs, or none.

    It also tells the script that it must find itself in this `folder`, all links followed.
    """
    env = bare(base, folder)
    env |= {name: getattr(endpoints, source) for source, name in ENDPOINT_VARIABLES.items()}
    if demo:
        env = {name: value for name, value in env.items() if name not in OFFLINE}
        env |= {"HF_TOKEN_PATH": os.devnull, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    source = endpoint_of(record.url)
    if tokens.get(source):
        env[TOKEN_VARIABLES[source][0]] = tokens[source]
    return env


def bare(base: Mapping[str, str], folder: Path | str) -> dict[str, str]:
    """The environment of any script, on any machine: without a secret, and bound to a folder."""
    env = without_secrets(base) | proxies.for_curl(base) | {"COMFYFIX_FOLDER": str(folder)}
    if authority(base):
        env.setdefault("CURL_CA_BUNDLE", authority(base))  # the one that curl reads
    return env


PAGE = "page"
"""What a script tells in place of curl's code where a web page has come."""


@dataclass(frozen=True, slots=True)
class Here:
    """How a script runs on this machine: as one of these children, in this environment.

    By `relay` it goes to the network, where there is a limit. `alone` is the text of a script that
    lies nowhere; it is run in the place of the file.
    """

    children: Children
    env: Mapping[str, str]
    relay: Relay | None = None
    alone: str = ""

    def run(self, record: Record, script: Path, talk: Talk) -> int:
        """Run the script of a record to its end; returns its exit code. Raises ModelProblem."""
        env = {**self.env, channel.VARIABLE: talk.word}
        if talk.lender:
            env[NEAR_VARIABLE] = "1"
        if talk.mirrors.places:
            env[MIRROR_VARIABLE] = talk.mirrors.text
        argv = ["bash", "-c", self.alone, script.name] if self.alone else ["bash", str(script)]
        limited = _limited(record, env, self.relay, talk.mirrors)
        with limited as env_of_limit, contextlib.closing(talk.inside):
            return self.children.run(argv, env_of_limit, talk.keep, answer=talk.answer)


def fetch(
    record: Record,
    script: Path,
    talk: Talk,
    here: Here,
    *,
    signs: bool,
    cut_off: Callable[[], bool] = bool,
) -> Receipt:
    """Run the script of a record here, to its end. Raises ModelProblem with the outcome of it.

    Before the script gives the file its name it asks in its talk whether that is what it should
    be. While it waits for another process that fetches the same file, its slot is given up. See
    `receipt` for the rest.
    """
    status = here.run(record, script, talk)
    stays = not here.alone
    return receipt(record, script, talk, status, signs=signs, stays=stays, cut_off=cut_off)


def receipt(
    record: Record,
    script: Path,
    talk: Talk,
    status: int,
    *,
    signs: bool,
    stays: bool = True,
    cut_off: Callable[[], bool] = bool,
) -> Receipt:
    """Write down what a script has brought that ended so. Raises ModelProblem if it has failed.

    `signs`: the receipt will be signed. Then a file that the script has not just hashed and asked
    about, since it lay there already, is hashed here. Only a script that `stays` has its name
    in it. `cut_off` tells whether a web page that came is that of a network which wants a sign-in.
    """
    unreached = talk.last.get("unreached")
    if status != 0 and unreached and (unreached.fields[0] != PAGE or cut_off()):
        raise _unreachable(talk, *unreached.fields)
    if status != 0:
        raise _problem(status, talk, script, record)
    name, single = script.name if stays else "", not record.files
    return receipts.joined(
        record,
        [_receipt(m, talk, single=single, script=name, signs=signs) for m in record.members],
    )


@contextlib.contextmanager
def _limited(
    record: Record, env: Mapping[str, str], relay: Relay | None, mirrors: Handed
) -> Iterator[Mapping[str, str]]:
    """The environment in which a script keeps to the limit. Raises ModelProblem."""
    if relay is None:
        yield env
        return
    endpoint = env.get(ENDPOINT_VARIABLES.get(endpoint_of(record.url), ""), "")
    with contextlib.ExitStack() as stack:
        try:
            limited = stack.enter_context(relay.lent(env, record.url, endpoint, mirrors.addresses))
        except OSError as error:
            failed = Outcome.DOWNLOAD_FAILED
            raise ModelProblem(failed, Why.LIMIT_NOT_KEPT, cause=error.strerror) from None
        yield limited


def _receipt(record: Record, talk: Talk, *, single: bool, script: str, signs: bool) -> Receipt:
    """Write down a file that a script has brought; `single`: it was to bring no other."""
    path = Path(record.destination)
    unseen = signs and record.sha256 and not talk.has_asked(path)
    try:
        if (unseen and sha256_of(path) != record.sha256) or (
            record.blob and git_blob_of(path) != record.blob
        ):
            raise ModelProblem(Outcome.WRONG_CONTENT, Why.FILE_REPLACED, path=path)
        return receipts.of_file(
            record.model,
            path,
            record.sha256 or (single and _hash_of(talk)) or sha256_of(path),
            script=script,
            verified=bool(record.sha256 or record.blob),
            origin=record.local if record.lent else _origin(talk.lender, path),
            mirror=talk.mirror if single else "",
        )
    except OSError as error:
        failed = Outcome.DOWNLOAD_FAILED
        raise ModelProblem(failed, Why.FILE_VANISHED, path=path, cause=error.strerror) from None


def _origin(lender: Lender | None, path: Path) -> str:
    """Where the bytes of a file were taken from near by; empty if they came from its address."""
    lent = lender.lent if lender else None
    return lent.lead.path if lent and lent.identity == identity(path)[:2] else ""


def _hash_of(talk: Talk) -> str:
    """The sha256 that a script tells of its file; empty where it tells none."""
    told = talk.last.get("sha256")
    digest = told.fields[0] if told else ""
    return digest if sha256(digest) == digest else ""


def real_place(record: Record, folders: Folders) -> Path:
    """Return the folder that a record's files go to, every link in its path followed.

    Raises ModelProblem for one that a symlinked folder leads out of the store.
    """
    within = f"{record.folder}/any" if record.files else record.destination
    return real_folder(record.model, within, folders)


def real_folder(model: Model, file: str, folders: Folders) -> Path:
    """Return the folder of a model's file, every link in its path followed.

    Raises ModelProblem for one that a symlinked folder leads out of the store.
    """
    path = Path(file)
    configured = folders.paths.get(folder_key(model.folder or ""), ())
    real = led_into(path.parent, folders.store, *configured)
    if real is not None:
        return real
    raise ModelProblem(Outcome.UNWRITABLE, Why.FOLDER_LEADS_OUT, folder=path.parent)


def _where(talk: Talk, what: str | Reason) -> str | Reason:
    """What has happened, and on which worker, where it was on one."""
    begun = talk.last.get(BEGUN)
    return because(Why.ON_WORKER, what=what, worker=begun.fields[0]) if begun else what


def _unreachable(talk: Talk, code: str, host: str) -> Unreachable:
    """The problem of a script that had no way to a server, by the code of curl or a status."""
    whys = {
        "5": Why.PROXY_UNREACHED,
        "6": Why.NAME_UNRESOLVED,
        "60": Why.CERTIFICATE_UNTRUSTED,
        "77": Why.CERTIFICATE_UNTRUSTED,
        "407": Why.PROXY_WANTS_USER,
        "511": Why.NETWORK_SIGN_IN,
        PAGE: Why.NETWORK_SIGN_IN,
    }
    cause = _where(talk, because(whys.get(code, Why.NO_CONNECTION)))
    problem = Unreachable(Why.SERVICE_UNREACHABLE, host=host, cause=cause)
    problem.outcome = Outcome.NETWORK
    return problem


def _problem(status: int, talk: Talk, script: Path, record: Record) -> ModelProblem:
    failure = talk.last.get("fail")
    kind, what, next_step = failure.fields if failure else ("", "", "")
    if kind == PAGE:
        place = {"url": record.page or record.url, "path": record.destination}
        return ModelProblem(Outcome.WRONG_CONTENT, Why.PAGE_CAME, name=record.model.name, **place)
    outcome = BY_KIND.get(kind) or BY_EXIT_CODE.get(status) or Outcome.DOWNLOAD_FAILED
    if what and _is_locked(record) and not kind and outcome in _ANEW:
        return ModelProblem(
            outcome, Why.LOCK_NOT_SO, what=_where(talk, what), model=record.model.key
        )
    if what:
        why = Why.SCRIPT_TELLS if next_step else Why.SCRIPT_TELLS_WHAT
        return ModelProblem(outcome, why, what=_where(talk, what), next=next_step)
    # It did not come to tell why.
    why = Why.SCRIPT_ENDED if status > 0 else Why.SCRIPT_KILLED
    return ModelProblem(outcome, why, script=_where(talk, script.name), code=abs(status))


def _is_locked(record: Record) -> bool:
    """Tell a record whose address and hash are those of the lock file."""
    return record.source == locked.SOURCE and bool(record.url)
