"""The services' clients, answer by answer: what each status and each odd shape comes to."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, cast

import pytest

from comfyfix.errors import ModelProblem, RegionBlocked, SourceDown
from comfyfix.net.answer import Answer
from comfyfix.net.urls.civitai_address import CivitaiFile
from comfyfix.net.urls.hosts import CIVITAI
from comfyfix.outcomes import Outcome
from comfyfix.providers.civitai import access, api, entries, kinds
from comfyfix.providers.civitai.api import Civitai
from comfyfix.providers.huggingface import gates
from comfyfix.providers.huggingface.hub import Hub
from comfyfix.providers.openmodeldb import OpenModelDB
from comfyfix.records import Reason, because
from comfyfix.why import Why

ONE, OTHER = "a" * 64, "b" * 64
COMMIT = "c" * 40


class Says:
    """A service that gives its answers in turn, the last one for ever."""

    def __init__(self, *told: tuple[int, Any] | tuple[int, Any, dict[str, str]]) -> None:
        self.told = list(told)
        self.asked: list[tuple[str, Any]] = []

    def get(self, url: str, asked: Any = None) -> Answer:
        self.asked.append((url, asked))
        status, value, *more = self.told.pop(0) if len(self.told) > 1 else self.told[0]
        headers = cast("dict[str, str]", more[0] if more else {})
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        return Answer(url=url, status=status, headers=headers, body=body)

    post_form = post_json = head = peek = get


def hub(*told: Any, token: bool = False) -> tuple[Hub, Says]:
    web = Says(*told)
    return Hub(cast("Any", web), "https://h.example", token_known=token), web


def civitai(*told: Any, token: bool = False) -> tuple[Civitai, Says]:
    web = Says(*told)
    return Civitai(cast("Any", web), "https://c.example", token_known=token), web


NO_USE: list[tuple[Callable[[Any], Any], tuple[Any, ...], Why]] = [
    (lambda told: hub(told)[0].about("a/b", "main"), ((500, {}), (200, []), (200, {"sha": "x"}),
        (201, {"sha": COMMIT})), Why.HUB_NO_ANSWER),
    (lambda told: hub(told)[0].details("a/b", "main", ("x",)), ((500, []), (200, {}), (404, [])),
        Why.HUB_NO_DESCRIPTION),
    (lambda told: hub(told)[0].card("a/b"), ((500, b""), (204, b"")), Why.HUB_NO_CARD),
    (lambda told: hub(told)[0].search("x"), ((500, []), (200, {}), (404, [])), Why.HUB_NO_LIST),
    (lambda told: hub(told)[0].repository("a/b"), ((500, {}),), Why.HUB_NO_LIST),
    (lambda told: civitai(told)[0].by_hashes([ONE]), ((500, []), (200, {})),
        Why.CIVITAI_NO_ANSWER),
    (lambda told: civitai(told)[0].model(7), ((500, {}), (200, [])), Why.CIVITAI_NO_ANSWER),
    (lambda told: civitai(told)[0].version(7), ((400, {}),), Why.CIVITAI_WRONG_QUESTION),
    (lambda told: OpenModelDB(cast("Any", Says(told)), "https://o.example").files(),
        ((500, {}), (200, []), (404, {})), Why.DATABASE_NO_LIST),
]  # fmt: skip


@pytest.mark.parametrize(("ask", "told", "why"), NO_USE)
def test_an_answer_of_no_use_is_a_source_that_is_down(
    ask: Callable[[Any], Any], told: tuple[Any, ...], why: Why
) -> None:
    for answer in told:
        with pytest.raises(SourceDown) as caught:
            ask(answer)
        assert caught.value.reason.why == why, answer
        if why != Why.CIVITAI_WRONG_QUESTION:
            of_kind = because(Why.ANSWER_OF_ANOTHER_KIND)
            other = because(Why.ANSWER_STATUS, status=answer[0])
            assert caught.value.reason.told["cause"] == (of_kind if answer[0] == 200 else other)


def test_what_is_not_there_is_nothing() -> None:
    said = {"x-error-message": "not there"}
    assert hub((404, [], said))[0].details("a/b", "main", ("x",)) == {}
    assert hub((500, []))[0].details("a/b", "main", ()) == {}
    assert hub((404, b"x"))[0].card("a/b") == b""
    assert hub((200, b"x"))[0].card("a/b") == b"x"
    for status in (401, 403, 404):
        assert hub((status, b"x"))[0].repository("a/b") is None
    assert hub((200, []))[0].repository("a/b") is None
    assert civitai((404, {}))[0].version(7) is None
    assert civitai((404, {}))[0].model(7) == []
    assert civitai((404, {}))[0].search("x", (), nsfw=True) == []
    with pytest.raises(RegionBlocked):
        civitai((451, {}))[0].version(7)
    with pytest.raises(RegionBlocked):
        civitai((451, {}))[0].search("x", (), nsfw=True)


def test_a_list_is_whole_where_it_has_fewer_than_were_asked_for() -> None:
    rows = [{"id": f"a/{n}", "sha": COMMIT, "siblings": [{"rfilename": "x.pt"}]} for n in range(3)]
    for limit, whole in ((3, False), (4, True)):
        client, web = hub((200, rows))
        found = client.search("harbor", limit)
        assert ([listing.repo for listing in found.listings], found.whole) == (
            ["a/0", "a/1", "a/2"], whole,
        )  # fmt: skip
        assert client.search("HARBOR", limit) is found, "one question a run"
        asked = {"search": "harbor", "limit": limit, "full": "true", "sort": "downloads"}
        assert web.asked == [("https://h.example/api/models", asked)]


def test_an_empty_page_with_a_cursor_is_followed_on_our_own_endpoint() -> None:
    link = {"link": '<https://elsewhere.example/api?cursor=abc>; rel="next"'}
    client, web = hub((200, [], link), (200, [{"id": "a/b"}], link))
    assert [listing.repo for listing in client.of_publisher("a").listings] == ["a/b"]
    assert [asked.get("cursor") for _, asked in web.asked] == [None, "abc"]
    assert {url for url, _ in web.asked} == {"https://h.example/api/models"}


def test_an_empty_page_of_civitai_is_followed_too() -> None:
    page = {"items": [], "metadata": {"nextCursor": 5}}
    client, web = civitai((200, page), (200, {"items": [model(7, version(70, 700))]}))
    assert [entry.file_id for entry in client.search("x", ("LORA",), nsfw=False)] == [700]
    assert web.asked[0][1] == {"query": "x", "limit": api.MODELS, "types": ["LORA"]}
    assert web.asked[1][1]["cursor"] == "5"
    client, web = civitai((200, page))
    assert client.search("x", (), nsfw=True) == []
    assert len(web.asked) == api.PAGES_MAX
    assert web.asked[0][1] == {"query": "x", "limit": api.MODELS, "nsfw": "true"}


def test_an_extra_that_does_not_answer_is_given_up_for_the_run() -> None:
    client, web = hub((500, {}))
    assert client.full_text("a") is None
    assert client.full_text("b") is None
    assert client.quick("a") == []
    assert len(web.asked) == 2, "one question for each extra"
    hits = [
        {"repoOwner": "o", "repoName": "n", "repoId": "x/y"},
        {"repoId": "w/z"},
        {"repoId": "a b"},
    ]
    assert hub((200, {"hits": hits}))[0].full_text("a") == ["o/n", "w/z"]
    assert hub((200, {"hits": {}}))[0].full_text("a") is None
    assert hub((200, {"models": [{"id": "o/n"}, {"id": "o/n"}, 5]}))[0].quick("a") == ["o/n"]


def version(number: int, *files: int, **more: Any) -> dict[str, Any]:
    told = [{"id": n, "name": f"{n}.pt", "hashes": {"SHA256": ONE}} for n in files]
    return {"id": number, "name": "v", "files": told, **more}


def model(number: int, *versions: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": number, "name": "m", "modelVersions": list(versions), **more}


@pytest.mark.parametrize(
    ("told", "number"),
    [(7, 7), (0, 0), (1, 1), ("7", 7), (-1, None), (True, None), ("x", None), (7.0, None)],
)
def test_an_id_is_a_number_or_a_text_of_digits(told: object, number: int | None) -> None:
    assert entries.number(told) == number


@pytest.mark.parametrize(
    ("told", "size", "exact"),
    [
        (1.5, 1536, True), (1, 1024, False), ("1.5", 1536, True), (0, None, False),
        (-1.5, None, False), (0.5, 512, True), (float(1 << 40), None, False), (True, None, False),
        ((1 << 40) - 1, ((1 << 40) - 1) * 1024, False), (1.2345, 1264, False), (None, None, False),
    ],
)  # fmt: skip
def test_a_size_is_exact_where_it_comes_from_whole_bytes(
    told: object, size: int | None, exact: bool
) -> None:
    file = {"id": 1, "name": "x.pt", "sizeKB": told}
    (entry,) = entries.of_version({"id": 70, "modelId": 7, "files": [file]})
    assert (entry.size, entry.exact) == (size, exact)


def entry(**more: Any) -> entries.CivitaiEntry:
    (made,) = entries.of_version({**version(70, 700), "modelId": 7, **more})
    return made


@pytest.mark.parametrize(
    ("more", "public"),
    [
        ({"availability": "Public"}, True), ({"availability": "Private"}, False),
        ({"status": "Published"}, True), ({"status": "Draft"}, False), ({}, False),
        ({"status": "Published", "earlyAccessEndsAt": "x"}, False),
        ({"status": "Published", "availability": "Private"}, False),
    ],
)  # fmt: skip
def test_a_version_is_public_where_it_says_so(more: dict[str, Any], public: bool) -> None:
    assert entry(**more).public is public


SCANNED = {f"{scan}Result": "Success" for scan in ("pickleScan", "virusScan")}


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (SCANNED, None), ({**SCANNED, "virusScanResult": "Pending"}, Why.CIVITAI_UNSCANNED),
        ({**SCANNED, "pickleScanResult": "Danger", "pickleScanMessage": "x"}, Why.CIVITAI_SCAN),
        ({}, Why.CIVITAI_SCAN),
    ],
)  # fmt: skip
def test_a_file_is_as_its_scans_say(more: dict[str, str], why: Why | None) -> None:
    (made,) = entries.of_version(
        {"id": 70, "modelId": 7, "files": [{"id": 1, "name": "x.pt", **more}]}
    )
    assert (made.scan.why if made.scan else None) == why


def test_of_many_only_files_of_the_hashes_that_were_asked_for() -> None:
    rows = [{**version(70, 700), "modelId": 7}, {**version(71, 710), "modelId": 8}]
    found = entries.matching(rows, [ONE, OTHER])
    assert {digest: one.file_id for digest, one in found.items()} == {ONE: 700}, "the first"
    assert entries.matching(rows, [OTHER]) == {}
    assert list(entries.of_model(model(7, version(70, 700, modelId=8)))) == []
    assert len(list(entries.of_model(model(7, version(70, 700, modelId="7"))))) == 1
    assert list(entries.of_model(model(7, version(70)))) == []
    (gone,) = entries.of_model(model(7, version(70), mode="Archived"))
    assert gone.file_id == 0


def refusal(
    status: int, value: Any = None, *, token: bool = False, **headers: str
) -> ModelProblem | None:
    told = {name.replace("_", "-"): text for name, text in headers.items()}
    answer = Answer(url="u", status=status, headers=told, body=json.dumps(value).encode())
    return access.refusal(answer, entry(), token_known=token)


@pytest.mark.parametrize(
    ("status", "value", "headers", "outcome"),
    [
        (200, None, {}, None), (307, None, {"location": "https://x.example/f"}, None),
        (399, None, {}, None), (404, None, {}, SourceDown), (400, None, {}, SourceDown),
        (200, None, {"content_type": "text/html; x"}, Outcome.TOKEN_NEEDED),
        (307, None, {"content_type": "text/html"}, None),
        (307, None, {"location": "https://x.example/login?x"}, Outcome.TOKEN_NEEDED),
        (307, None, {"location": "https://x.example/f?/login"}, None),
        (401, {"message": "has disabled downloads"}, {}, Outcome.DOWNLOADS_DISABLED),
        (403, {"message": "has disabled downloads"}, {}, Outcome.NOT_PERMITTED),
        (401, {}, {}, Outcome.TOKEN_NEEDED),
        (403, {"error": "Early Access"}, {}, Outcome.EARLY_ACCESS),
        (403, {"error": "no"}, {}, Outcome.NOT_PERMITTED),
        (410, {}, {}, Outcome.ARCHIVED), (451, {}, {}, Outcome.REGION_BLOCKED),
    ],
)  # fmt: skip
def test_what_civitai_says_against_a_download(
    status: int, value: Any, headers: dict[str, Any], outcome: Any
) -> None:
    if outcome is SourceDown:
        with pytest.raises(SourceDown) as caught:
            refusal(status, value, **headers)
        assert caught.value.reason.why == Why.CIVITAI_NO_ANSWER_FOR
    else:
        told = refusal(status, value, **headers)
        assert (told.outcome if told else None) == outcome


def test_what_would_help_is_told_with_it() -> None:
    page = f"{CIVITAI}/models/7?modelVersionId=70"
    for token, why in ((True, Why.CIVITAI_TOKEN_BAD), (False, Why.CIVITAI_TOKEN_NEEDED)):
        told = refusal(401, {}, token=token)
        assert told is not None
        assert (told.reason.why, told.reason.told["page"]) == (why, page)
    until = refusal(403, {"error": "early access", "deadline": "2027-01-02T03:04"})
    open_end = refusal(403, {"error": "early access"})
    assert until is not None
    assert open_end is not None
    assert (until.reason.why, until.reason.told["until"]) == (Why.CIVITAI_EARLY_UNTIL, "2027-01-02")
    assert open_end.reason.why == Why.CIVITAI_EARLY


def test_a_public_file_is_not_peeked_at_with_a_good_token() -> None:
    file = entry(availability="Public")

    at = CivitaiFile(70, 700)
    client, web = civitai((200, {}), token=True)
    assert client.access(file, at) is None
    assert client.access(file, at) is None
    assert [url for url, _ in web.asked] == ["https://c.example/api/v1/me"]
    for client, web in (civitai((401, {}), (200, None), token=True), civitai((200, None))):
        assert client.access(file, at) is None
        assert web.asked[-1][0] == "https://c.example" + at.download_path
    client, web = civitai((404, {}))
    assert client.access(file, at) == because(Why.CIVITAI_GONE)
    assert len(web.asked) == api.TRIES
    for more, outcome in (({"usageControl": "InternalGeneration"}, Outcome.DOWNLOADS_DISABLED),):
        told = client.access(entry(**more), at)
        assert isinstance(told, ModelProblem)
        assert told.outcome == outcome


def gate(status: int, said: str = "", code: str = "") -> ModelProblem | Reason | None:
    headers = {"x-error-message": said, "x-error-code": code}
    answer = Answer(url="u", status=status, headers=headers, body=b"")
    return gates.gate(answer, "a/b", "https://h.example")


@pytest.mark.parametrize(
    ("status", "said", "code", "expected"),
    [
        (200, "", "", None), (302, "", "", None), (399, "", "", None),
        (401, "", "", Outcome.TOKEN_NEEDED),
        (403, "", "GatedRepo", Outcome.LICENCE_NEEDED), (403, "", "", Outcome.LICENCE_NEEDED),
        (403, "a rule of ours", "", Outcome.NOT_PERMITTED),
        (403, "a rule of ours", "GatedRepo", Outcome.LICENCE_NEEDED),
        (403, "Access to this resource is disabled.", "", because(Why.HUB_OFFLINE)),
        (400, "", "", because(Why.HUB_ANSWERS, status=400)),
        (500, "", "", because(Why.HUB_ANSWERS, status=500)),
        (200, "", "NewCode", because(Why.HUB_ANSWERS_CODE, status=200, code="NewCode")),
    ],
)  # fmt: skip
def test_what_the_hub_says_against_a_file(
    status: int, said: str, code: str, expected: object
) -> None:
    told = gate(status, said, code)
    assert (told.outcome if isinstance(told, ModelProblem) else told) == expected


def test_a_repository_that_no_token_sees_is_not_there() -> None:
    assert gates.why_not(Answer(url="u", status=401, headers={}, body=b"")) == because(
        Why.HUB_NO_REPOSITORY
    )
    client, web = hub((200, b"x"))
    told = client.access("a/b", "https://huggingface.co/a/b/x")
    assert isinstance(told, ModelProblem)
    assert (told.outcome, web.asked) == (Outcome.TOKEN_NEEDED, [])
    client, web = hub((200, b"x"), token=True)
    assert client.access("a/b", "https://huggingface.co/a/b/x") is None
    assert web.asked[0][0] == "https://h.example/a/b/x"


@pytest.mark.parametrize("size", [0, 1, -1, "5", None])
def test_a_file_of_the_database_has_a_size_and_a_hash(size: object) -> None:
    entry = {
        "size": size,
        "sha256": ONE.upper(),
        "type": "pth",
        "urls": ["https://x.example/a.pth", 5],
    }
    value = {"key": {"name": "Harbor", "resources": [entry, {**entry, "sha256": "x"}]}}
    web = Says((200, value))
    found = OpenModelDB(cast("Any", web), "https://o.example").files()
    assert [(file.size, file.sha256) for file in found] == ([(1, ONE)] if size == 1 else [])
    assert all({"Harbor.pth", "key.pth", "a.pth"} <= file.names for file in found)


@pytest.mark.parametrize(
    ("told", "own_query"),
    [("https://x.example/7?type=Model&format=Other", "type=Model&format=Other"),
     ("https://x.example/7", ""), ("", "?"), (5, "?"), (None, "?")],
)  # fmt: skip
def test_the_address_of_its_own_is_known_or_not(told: object, own_query: str) -> None:
    file = {"id": 1, "name": "x.pt", "downloadUrl": told}
    (made,) = entries.of_version({"id": 70, "modelId": 7, "files": [file]})
    assert made.own_query == own_query


@pytest.mark.parametrize(
    ("kind", "file_type", "folder", "why", "told"),
    [
        ("LORA", "Model", "loras", None, {}), ("LORA", "Model", None, None, {}),
        ("LORA", "Model", "vae", Why.CIVITAI_ELSEWHERE, {"kind": "LORA", "home": "loras"}),
        ("Checkpoint", "VAE", "vae", None, {}),
        ("Checkpoint", "VAE", "loras", Why.CIVITAI_ELSEWHERE, {"kind": "VAE", "home": "vae"}),
        ("Checkpoint", "Training Data", "loras", Why.CIVITAI_NO_MODEL, {}),
        ("Wildcards", "", "loras", Why.CIVITAI_NO_MODEL, {}),
        ("Wildcards", "VAE", "vae", None, {}),
        ("Aesthetic", "Model", "loras", Why.CIVITAI_NOT_HERE, {"kind": "Aesthetic"}),
        ("Aesthetic", "Model", "folder_of_a_pack", None, {}),
    ],
)  # fmt: skip
def test_a_file_belongs_where_its_kind_does(
    kind: str, file_type: str, folder: str | None, why: Why | None, told: dict[str, str]
) -> None:
    reason = kinds.misplaced(kind, file_type, folder)
    assert (reason.why if reason else None) == why
    if reason and told:
        assert told.items() <= reason.told.items()
        assert reason.told["folder"] == folder


@pytest.mark.parametrize(
    ("folder", "types"),
    [
        (None, ()), ("loras", ("LORA", "LoCon", "DoRA")), ("embeddings", ("TextualInversion",)),
        ("vae", ("VAE", "Checkpoint")), ("nowhere", ("Other",)), ("configs", ("Other",)),
        ("hypernetworks", ("Hypernetwork",)),
    ],
)  # fmt: skip
def test_the_types_to_search_among(folder: str | None, types: tuple[str, ...]) -> None:
    assert kinds.types_for(folder) == types
