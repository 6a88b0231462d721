"""The tokens that the environment holds, or a login has left."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from itertools import chain
from pathlib import Path

from comfyfix.disk import regular
from comfyfix.errors import SetupProblem
from comfyfix.records import because
from comfyfix.settings.manifest import TOKEN_VARIABLES, Manifest
from comfyfix.settings.mirror import VARIABLE as MIRROR
from comfyfix.settings.store_key import STORE_KEY
from comfyfix.why import Why

BUCKET_KEYS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "GOOGLE_SERVICE_ACCOUNT_KEY",
)
"""The variables that open a bucket: what is started gets signed addresses in their place."""


def tokens(manifest: Manifest, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the tokens by source; the demo uses none. Raises SetupProblem."""
    if manifest.is_demo:
        return {}
    found: dict[str, str] = {}
    for source, names in TOKEN_VARIABLES.items():
        values = ((name, environ.get(name, "").strip()) for name in names)
        variable, token = next((pair for pair in values if pair[1]), (names[0], ""))
        if not token and source == "huggingface":
            token = _of_login(environ)
        if not re.fullmatch(r"[\x21-\x7e]*", token):
            raise SetupProblem(Why.TOKEN_UNUSABLE, variable=variable)
        if token:
            found[source] = token
    return found


def without_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment for a program that needs none of our secrets."""
    kept_back = {*chain.from_iterable(TOKEN_VARIABLES.values()), STORE_KEY, MIRROR, *BUCKET_KEYS}
    return {name: value for name, value in environ.items() if name not in kept_back}


def at_hand(environ: Mapping[str, str]) -> list[str]:
    """Every secret of ours that is at hand: what must not be shown, whoever has written it."""
    names = (*chain.from_iterable(TOKEN_VARIABLES.values()), STORE_KEY)
    secrets = [environ.get(name, "").strip() for name in names]
    with contextlib.suppress(SetupProblem):  # what can't be read is in no text
        secrets.append(_of_login(environ))
    return [secret for secret in secrets if secret]


def _of_login(environ: Mapping[str, str]) -> str:
    """The token that `hf auth login` wrote, where that command keeps it."""
    cache = Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    home = Path(environ.get("HF_HOME") or cache / "huggingface")
    path = Path(environ.get("HF_TOKEN_PATH") or home / "token")
    try:
        return regular.text(path, encoding="ascii").strip()
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return ""  # nobody has logged in, or it was another user
    except UnicodeDecodeError:
        cause: object = because(Why.NOT_TEXT)
    except regular.NotRegular as error:
        cause = error.reason
    except OSError as error:
        cause = error.strerror or str(error)
    raise SetupProblem(Why.TOKEN_FILE_UNREADABLE, path=path, cause=cause)
