"""The double answers as the Hub does: the shapes that were recorded there, field by field.

Status, the names in the head, and of bodies the keys and the kinds of values. A name that the
double leaves out would be a client that was never tried against it.
"""

from __future__ import annotations

import http.client
import json
import re
from typing import Any

import pytest

from comfyfix.demo.hub import Hub

REPO = "maker/harbor_light"
NAME = "harbor_light.safetensors"
WHO = {  # who asks for a gated file: token, status, X-Error-Code, X-Error-Message
    "anonymous": ("", 401, "GatedRepo", "Access to model {id} is restricted. You must have access "
        "to it and be authenticated to access it. Please log in."),
    "no request": ("hf_x", 403, "GatedRepo", "Access to model {id} is restricted and you are not "
        "in the authorized list. Visit https://huggingface.co/{id} to ask for access."),
    "pending": ("hf_pending", 403, "GatedRepo", "Your request to access model {id} is awaiting a "
        "review from the repo authors."),
    "rejected": ("hf_rejected", 403, "GatedRepo", "Your request to access model {id} has been "
        "rejected by the repo's authors."),
    "scope": ("hf_scope", 403, None, "Please enable access to public gated repositories in your "
        "fine-grained token settings to view this repository."),
}  # fmt: skip
LEVELS = ("unscanned", "safe", "queued", "error", "caution", "suspicious", "unsafe")
HEX = re.compile(r"[0-9a-f]{40}")


def ask(hub: Hub, path: str, *, token: str = "", method: str = "GET", body: str = "") -> Any:
    connection = http.client.HTTPConnection(hub.url.removeprefix("http://"), timeout=20)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    if body:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    try:
        connection.request(method, path, body or None, headers)
        answer = connection.getresponse()
        answer.text = answer.read().decode(errors="replace")  # type: ignore[attr-defined]
    finally:
        connection.close()
    return answer


@pytest.fixture
def recorded(hub: Hub) -> Hub:
    hub.add(REPO, [NAME, "config.json"]).plain = {"config.json"}
    return hub


@pytest.mark.parametrize("who", WHO)
def test_a_gate(recorded: Hub, who: str) -> None:
    recorded.repositories[REPO].gated = "manual"
    recorded.gates = {"hf_pending": "pending", "hf_rejected": "rejected", "hf_scope": "scope"}
    token, status, code, message = WHO[who]
    answer = ask(recorded, f"/{REPO}/resolve/main/{NAME}", token=token)
    told = (answer.status, answer.headers["X-Error-Code"], answer.headers["X-Error-Message"])
    assert told == (status, code, message.format(id=REPO))
    assert answer.headers.get_content_type() == "text/plain"
    assert answer.text == message.format(id=REPO)
    info = ask(recorded, f"/api/models/{REPO}", token=token)
    assert (info.status, json.loads(info.text)["gated"]) == (200, "manual"), "it is public"


@pytest.mark.parametrize("path", ["/api/models/no/one", "/no/one/resolve/main/x"])
def test_what_is_not_there_for_who_is_not_signed_in(recorded: Hub, path: str) -> None:
    answer = ask(recorded, path)
    assert (answer.status, answer.headers["X-Error-Code"]) == (401, None)
    assert answer.headers["X-Error-Message"] == "Invalid username or password."
    told = json.loads(answer.text) if path.startswith("/api") else {"error": answer.text}
    assert told == {"error": "Invalid username or password."}
    known = ask(recorded, path, token="hf_x")
    assert (known.status, known.headers["X-Error-Code"]) == (404, "RepoNotFound")


def test_a_large_file(recorded: Hub) -> None:
    """`X-Xet-Hash` and its links are left out: the double does not speak that protocol."""
    answer = ask(recorded, f"/{REPO}/resolve/main/{NAME}", method="HEAD")
    assert answer.status == 302
    assert answer.headers["Location"].startswith("http")
    assert HEX.fullmatch(answer.headers["X-Repo-Commit"])
    assert answer.headers["X-Linked-Size"].isdigit()
    assert re.fullmatch(r'"[0-9a-f]{64}"', answer.headers["X-Linked-ETag"])


def test_a_small_file_that_is_not_in_lfs(recorded: Hub) -> None:
    answer = ask(recorded, f"/{REPO}/resolve/main/config.json")
    place = answer.headers["Location"]
    commit = answer.headers["X-Repo-Commit"]
    assert answer.status == 307
    lead = f"/api/resolve-cache/models/{REPO}/{commit}/config.json?etag=%22"
    assert re.fullmatch(re.escape(lead) + r"[0-9a-f]{40}%22", place)
    assert answer.text == f"Temporary Redirect. Redirecting to {place}"
    assert ask(recorded, place).status == 200
    recorded.repositories[REPO].gated = True
    assert ask(recorded, place).status == 401


@pytest.mark.parametrize("path", ["/api/models/old/name/revision/main", "/old/name/resolve/main/x"])
def test_a_repository_of_another_name(recorded: Hub, path: str) -> None:
    recorded.renamed["old/name"] = REPO
    answer = ask(recorded, f"{path}?blobs=true")
    place = path.replace("old/name", REPO)
    assert (answer.status, answer.headers["Location"]) == (307, place)
    assert answer.text == f"Temporary Redirect. Redirecting to {place}"
    assert answer.headers["X-Repo-Commit"] is None


@pytest.mark.parametrize("level", LEVELS)
def test_what_the_scanners_say(recorded: Hub, level: str) -> None:
    recorded.repositories[REPO].flagged[NAME] = level
    form = f"paths={NAME}&expand=True"
    answer = ask(recorded, f"/api/models/{REPO}/paths-info/main", method="POST", body=form)
    (item,) = json.loads(answer.text)
    assert {key: type(value) for key, value in item.items()} == {
        "type": str, "path": str, "size": int, "oid": str, "lfs": dict, "securityFileStatus": dict,
    }  # fmt: skip
    assert item["type"] in ("file", "directory", "unknown")
    told = item["securityFileStatus"]
    assert told.keys() == {
        "status", "avScan", "pickleImportScan", "jFrogScan", "protectAiScan",
    }  # fmt: skip
    assert {value["status"] for key, value in told.items() if key != "status"} == {level}
    assert told["protectAiScan"].keys() == {"status", "message", "reportLink"}
    assert told["pickleImportScan"].keys() == {"status", "pickleImports"}
    info = ask(recorded, f"/api/models/{REPO}?securityStatus=true&blobs=true")
    status = json.loads(info.text)["securityRepoStatus"]
    assert status == {"scansDone": True, "filesWithIssues": [{"path": NAME, "level": level}]}
