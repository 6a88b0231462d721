"""The scheduler of a cluster: how it is reached, and what Dask raises turned into problems."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError
from functools import partial
from typing import Any

from comfyfix.cluster import worker
from comfyfix.disk import regular
from comfyfix.errors import ModelProblem
from comfyfix.net.deadline import within
from comfyfix.outcomes import Outcome
from comfyfix.records import Reason, because
from comfyfix.settings.manifest import Cluster
from comfyfix.why import Why

PATIENCE_SECONDS = 30.0
"""How long a scheduler may take to answer."""


class Lost(ModelProblem):
    """The scheduler is not there, or not the one that it was: one may connect anew."""


class Gone(ModelProblem):
    """No worker is there any more that a task was for."""


class Failed(ModelProblem):
    """A worker could not do it, and may be unfit for all else, too."""


def connected(settings: Cluster) -> Any:
    """Connect to the scheduler; returns Dask's client. Raises ModelProblem."""
    try:
        import distributed  # half a second that only these runs need
    except ImportError:
        raise ModelProblem(Outcome.TOOL_MISSING, Why.CLUSTER_ABSENT) from None
    for name in (*logging.root.manager.loggerDict,):  # the screen is ours
        if name.partition(".")[0] in ("distributed", "tornado", "asyncio"):
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    warnings.filterwarnings("ignore", module="distributed")
    dask: Any = distributed  # it tells no types of these
    files = {
        "tls_ca_file": settings.ca,
        "tls_client_cert": settings.cert,
        "tls_client_key": settings.key,
    }
    encrypted = settings.address.startswith("tls:")
    with problems(settings.address):
        named = {name: path for name, path in files.items() if path}
        security = dask.Security(require_encryption=encrypted, **named)
        if encrypted:
            paths = [getattr(security, name) for name in files]  # also those of Dask's own settings
            _require_certificates(settings.address, security, paths)
        connecting = partial(
            dask.Client, settings.address, security=security, timeout=PATIENCE_SECONDS,
            set_as_default=False, name=worker.TOPIC,
        )  # fmt: skip
        # Its own limit does not hold where a scheduler stands still.
        return within(PATIENCE_SECONDS + 5, connecting)


def _require_certificates(address: str, security: Any, files: Sequence[str | None]) -> None:
    """Raise ModelProblem where no certificate is named, or no file of one can be used."""
    # Dask's own configuration may hold the text itself.
    paths = [file for file in files if file and "\n" not in file]
    causes = {file: cause for file in paths if (cause := _unusable(file))}
    if not causes:
        try:
            if security.get_connection_args("client").get("ssl_context"):
                return
        except OSError as error:  # they are no pair, or not what they are named for
            causes = {", ".join(paths): str(error)}
    for path, cause in causes.items():
        fields = {"address": address, "path": path, "cause": cause}
        raise ModelProblem(Outcome.DOWNLOAD_FAILED, Why.CLUSTER_FILE_UNUSABLE, **fields)
    raise ModelProblem(Outcome.DOWNLOAD_FAILED, Why.CLUSTER_NO_CERTIFICATE, address=address)


def _unusable(file: str) -> str | Reason | None:
    """Why TLS would wait at a file, ask for its passphrase, or say no more than that it is bad."""
    try:
        text = regular.read(file, regular.NOTE_MAX)
    except regular.NotRegular as error:
        return error.reason
    except OSError as error:
        return error.strerror
    if b"-----BEGIN " not in text:
        return because(Why.CLUSTER_NO_PEM)
    return because(Why.CLUSTER_KEY_LOCKED) if b"ENCRYPTED" in text else None


@contextlib.contextmanager
def problems(address: str) -> Iterator[None]:
    """Turn what Dask raises into a problem: of a cluster whatever may be missing is its own."""
    try:
        yield
    except ModelProblem:
        raise
    except CancelledError:
        raise Lost(Outcome.DOWNLOAD_FAILED, Why.CLUSTER_LET_GO, address=address) from None
    except Exception as error:  # noqa: BLE001 - also what Dask makes of a broken connection
        cause = str(error) or because(Why.ANSWER_LATE)
        raise Lost(Outcome.NETWORK, Why.CLUSTER_UNREACHED, address=address, cause=cause) from None
