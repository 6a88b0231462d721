"""Addresses from outside: what they mean, and which are never asked."""

from __future__ import annotations

import contextlib
import re
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from comfyfix.errors import HostRefused
from comfyfix.net.urls import hub_address
from comfyfix.net.urls.civitai_address import CivitaiFile
from comfyfix.net.urls.hosts import DIRECT_HOSTS, DirectFile, read_folder, read_url
from comfyfix.net.urls.hub_address import HubFile
from comfyfix.net.urls.rules import broken_rule
from comfyfix.records import because
from comfyfix.screen import words
from comfyfix.settings.manifest import Endpoints
from comfyfix.why import Why

PUBLIC = Endpoints()
LOCAL = Endpoints(huggingface="http://127.0.0.1:8188/hf", civitai="http://10.0.0.5:90")
HF = "https://huggingface.co"
HUB = {
    f"{HF}/o/n/resolve/main/a/b.pth": ("o/n", "main", "a/b.pth"),
    f"{HF}/o/n/blob/main/b.pth": ("o/n", "main", "b.pth"),
    f"{HF}/o/n/raw/v1.0/b.pth?download=true#x": ("o/n", "v1.0", "b.pth"),
    f"{HF}/gpt2/resolve/main/b.pth": ("gpt2", "main", "b.pth"),
    f"{HF}/datasets/o/n/resolve/main/b.pth": ("datasets/o/n", "main", "b.pth"),
    f"{HF}/spaces/o/n/blob/main/b.pth": ("spaces/o/n", "main", "b.pth"),
    f"{HF}/o/n/resolve/refs%2Fpr%2F7/b.pth": ("o/n", "refs/pr/7", "b.pth"),
    f"{HF}/o/n/resolve/main/a%20b%2Fc%C3%A9.pth": ("o/n", "main", "a b/cé.pth"),
    "http://huggingface.co/o/n/resolve/main/b.pth": ("o/n", "main", "b.pth"),
    "https://HuggingFace.co./o/n/resolve/main/b.pth": ("o/n", "main", "b.pth"),
    "https://hf.co/o/n/resolve/main/b.pth": ("o/n", "main", "b.pth"),
    "https://hf-mirror.com/o/n/resolve/main/b.pth": ("o/n", "main", "b.pth"),
    "http://127.0.0.1:8188/hf/o/n/resolve/main/b.pth": ("o/n", "main", "b.pth"),
    "hf://o/n/a/b.pth": ("o/n", "main", "a/b.pth"),
    "hf://models/o/n/b.pth": ("o/n", "main", "b.pth"),
    "hf://o/n@refs%2Fpr%2F7/a%20b.pth": ("o/n", "refs/pr/7", "a b.pth"),
    "hf://datasets/o/n@v1/b.pth": ("datasets/o/n", "v1", "b.pth"),
    "hf://gpt2/b.pth": ("gpt2", "main", "b.pth"),
}
CIVITAI = {
    "https://civitai.com/api/download/models/70": CivitaiFile(70),
    "https://api.civitai.com/api/download/models/70?token=x": CivitaiFile(70),
    "https://civitai.red/api/download/models/70?type=Model&fileId=700": CivitaiFile(
        70, 700, type="Model"
    ),
    "https://civitai.com/api/download/models/70?type=Pruned%20Model&format=SafeTensor&size=full"
    "&fp=fp16": CivitaiFile(
        70,
        type="Pruned Model",
        wishes=(("format", "SafeTensor"), ("size", "full"), ("fp", "fp16")),
    ),
    "https://civitai.com/api/download/models/70?quantType=Q4_K_M&type=": CivitaiFile(
        70, wishes=(("quantType", "Q4_K_M"),)
    ),
    "https://civitai.com/models/5/some-name?modelVersionId=70": CivitaiFile(70, model=5),
    "https://civitai.com/models/5?modelVersionId=70&type=VAE": CivitaiFile(70, model=5, type="VAE"),
    "http://10.0.0.5:90/api/download/models/70": CivitaiFile(70),
    "https://civitai.com/models/5": CivitaiFile(0, model=5),
    "https://civitai.green/models/5/some-name/": CivitaiFile(0, model=5),
    "https://www.civitai.red/models/5/x?modelVersionId=70": CivitaiFile(70, model=5),
    "urn:air:sdxl:lora:civitai:5@70": CivitaiFile(70, model=5),
    "air:sdxl:lora:civitai:5@70.safetensors": CivitaiFile(70, model=5),
    "civitai:5@70": CivitaiFile(70, model=5),
    "urn:air:sd1:checkpoint:civitai:5": CivitaiFile(0, model=5),
}
HTTPS, NEAR = Why.ADDRESS_NOT_HTTPS, Why.HOST_NO_PUBLIC_NAME
USER, ASCII = Why.ADDRESS_NAMES_USER, Why.ADDRESS_NOT_ASCII
UNREADABLE, UNLISTED = Why.ADDRESS_UNREADABLE, Why.HOST_NOT_LISTED
NO_FILE, NO_PATH = Why.ADDRESS_NAMES_NO_FILE, Why.NO_PATH_INSIDE
NO_REPO, NO_VERSION = Why.NO_REPOSITORY_ID, Why.ADDRESS_NAMES_NO_VERSION
FILE_ID, TWICE = Why.ADDRESS_FILE_ID, Why.ADDRESS_FIELD_TWICE
FIELD = Why.ADDRESS_FIELD_UNKNOWN
REFUSED = {  # → the rule that is broken
    "": HTTPS, "model.safetensors": HTTPS, "//github.com/x": HTTPS, "https:///x": NEAR,
    "file:///etc/passwd": HTTPS, "ftp://github.com/x": HTTPS, "http://github.com/x": HTTPS,
    "data:,x": HTTPS, "javascript:alert(1)": HTTPS, "https:github.com/x": NEAR,
    "http://169.254.169.254/latest": HTTPS, "https://169.254.169.254/latest": NEAR,
    "http://127.1/x": HTTPS, "https://127.1/x": NEAR, "https://127.0.0.1/x": NEAR,
    "https://2130706433/x": NEAR, "https://0x7f000001/x": NEAR, "https://0/x": NEAR,
    "https://0x7f.1/x": NEAR, "https://0177.0.0.1/x": NEAR, "https://[::1]/x": NEAR,
    "https://[::ffff:127.0.0.1]/x": NEAR, "https://[::ffff:7f00:1]/x": NEAR,
    "https://[fe80::1%25eth0]/x": NEAR, "https://[64:ff9b::7f00:1]/x": NEAR,
    "https://8.8.8.8/x": NEAR, "https://localhost/x": NEAR, "https://intranet/x": NEAR,
    "https://metadata.google.internal/x": NEAR, "https://nas.local/x": NEAR,
    "https://printer.lan./x": NEAR, "https://a.localhost/x": NEAR,
    "https://a_b.c.com/x": NEAR, f"https://{'a' * 64}.com/x": NEAR,
    "https://user@github.com/x": USER, "https://github.com@evil.example/x": USER,
    "https://user:pass@huggingface.co/o/n/resolve/main/x": USER, "https://@github.com/x": USER,
    "https://github.com:8443/x": HTTPS, "https://github.com:80/x": HTTPS,
    "https://github.com:0/x": HTTPS, "https://github.com:99999/x": UNREADABLE,
    "https://github.com:x/x": UNREADABLE, "https://[::1/x": UNREADABLE,
    "https://github.com\\@evil.example/x": ASCII, "https:\\\\github.com/x": ASCII,
    "https://h.io/a b": ASCII, " https://github.com/x": ASCII, "https://h.io/x\n": ASCII,
    "https://git\thub.com/x": ASCII, "https://h.io/\0": ASCII, "https://h.io/\x7f": ASCII,
    "https://g\u0456thub.com/x": ASCII, "https://github\u3002com/x": ASCII,
    "https://github.com/\u202e": ASCII, "https://evil.example/x": UNLISTED,
    "https://github.com.evil.example/x": UNLISTED, "https://evilgithub.com/x": UNLISTED,
    "https://127.0.0.1.nip.io/x": UNLISTED, "https://huggingface.co.evil.io/x": UNLISTED,
    "http://127.0.0.1:81880/x": UNREADABLE, "http://127.0.0.1:8189/x": HTTPS,
    "https://127.0.0.1:8188/o/n/resolve/main/x": HTTPS,
    "hf://": NO_FILE, "hf://datasets": NO_FILE, "hf://models": NO_FILE,
    "hf://o/n/": NO_FILE, "hf://o/n@../x": NO_FILE,
    "hf://o/n/../x": NO_PATH, "hf://o/n/a%0Ab": NO_PATH, "hf://-o/n/x": NO_REPO,
    "hf://o/n/x?a=1": NO_FILE, "civitai:5@x": HTTPS, "urn:air:a:b:civitai:5@7/../x": HTTPS,
    "https://civitai.com/api/download/models/0": NO_VERSION,
    f"{HF}/o/n": NO_FILE, f"{HF}/o/n/tree/main/x": NO_FILE, f"{HF}/o/n/resolve/main": NO_FILE,
    f"{HF}/o/n/resolve/main/": NO_FILE, f"{HF}/o/n/resolve/..%2F..%2Fapi/x": NO_FILE,
    f"{HF}/o/n/resolve/main/../../x": NO_PATH, f"{HF}/o/n/resolve/main/..%2Fx": NO_PATH,
    f"{HF}/o/n/resolve/main/a//x": NO_PATH, f"{HF}/../n/resolve/main/x": NO_REPO,
    f"{HF}/o/n%20m/resolve/main/x": NO_REPO, f"{HF}/o/a..b/resolve/main/x": NO_REPO,
    f"{HF}/o%2Fn/m/resolve/main/x": NO_REPO, f"{HF}/-o/n/resolve/main/x": NO_REPO,
    "https://civitai.com/": NO_VERSION,
    "https://civitai.com/models/5?modelVersionId=-7": NO_VERSION,
    "https://www.civitai.com/api/download/models/70?fileId=all": FILE_ID,
    "https://civitai.com/api/download/models/70?fileId=1&fileId=2": TWICE,
    "https://civitai.com/api/download/models/70?type=VAE&type=Model": TWICE,
    "https://civitai.com/api/download/models/70?size=%1b[2J": FIELD,
    "https://civitai.com/api/download/models/70?type=../VAE": FIELD,
    "https://civitai.com/api/download/models/70?fp=" + "a" * 41: FIELD,
}  # fmt: skip
URLS = st.tuples(
    st.sampled_from(["https://", "http://", "file://", "//", "HTTPS:", ""]) | st.text(max_size=4),
    st.sampled_from(["", "u@", "[", "[::1]", *sorted(DIRECT_HOSTS)])
    | st.sampled_from(["huggingface.co", "civitai.com", "127.0.0.1:8188", "a.example"]),
    st.sampled_from(["", ":443", ":1", ":x", ".", "]"]),
    st.lists(
        st.sampled_from(["/o", "/n", "/resolve", "/main", "/x.pth", "/..", "/%2e%2e", "/%2F", "//"])
        | st.sampled_from(["/api/download/models/7", "?modelVersionId=7", "&fileId=8", "#", "%"]),
        max_size=8,
    ).map("".join),
).map("".join)


@pytest.mark.parametrize(("url", "parts"), HUB.items())
def test_a_hub_address_is_read_as_repository_revision_and_path(
    url: str, parts: tuple[str, str, str]
) -> None:
    assert read_url(url, LOCAL) == HubFile(*parts)


@pytest.mark.parametrize(("url", "parts"), CIVITAI.items())
def test_a_civitai_address_is_read_as_version_and_file(url: str, parts: CivitaiFile) -> None:
    assert read_url(url, LOCAL) == parts


def test_a_listed_host_is_fetched_as_it_is() -> None:
    url = "https://github.com/o/n/releases/download/v1/a%20b.pth?raw=1"
    assert read_url(url, PUBLIC) == DirectFile(url=url, name="a b.pth")
    url = "https://github.com:443/x.pth"
    assert read_url(url, PUBLIC) == DirectFile(url=url, name="x.pth")


@pytest.mark.parametrize(("url", "rule"), REFUSED.items(), ids=ascii)
def test_an_address_that_breaks_a_rule_is_refused_by_its_name(url: str, rule: Why) -> None:
    with pytest.raises(HostRefused) as caught:
        read_url(url, LOCAL)
    assert broken_rule(caught.value).why == rule
    assert words.problem(caught.value).isprintable()


def test_a_private_address_is_the_hub_only_where_it_is_configured() -> None:
    with pytest.raises(HostRefused):
        read_url("http://127.0.0.1:8188/o/n/resolve/main/b.pth", PUBLIC)


def test_a_host_that_is_not_listed_can_be_allowed_and_the_refusal_says_how() -> None:
    with pytest.raises(HostRefused) as caught:
        read_url("https://dl.example.com/x.pth", PUBLIC, ("example.com",))
    assert caught.value.reason.why == Why.ADDRESS_NOT_LISTED
    step = words.worded(caught.value.reason).next_step
    assert "dl.example.com" in step
    assert "download.allow_hosts" in step
    found = read_url("https://DL.example.com/x.pth", PUBLIC, ("dl.example.com",))
    assert found == DirectFile(url="https://DL.example.com/x.pth", name="x.pth")


@pytest.mark.parametrize("host", ["127.0.0.1", "10.0.0.1", "localhost", "nas.local", "[::1]"])
def test_a_machine_nearby_can_not_be_allowed(host: str) -> None:
    with pytest.raises(HostRefused) as caught:
        read_url(f"https://{host}/x.pth", PUBLIC, (host, host.strip("[]")))
    assert broken_rule(caught.value).why == Why.HOST_NO_PUBLIC_NAME


def test_a_hub_file_is_asked_with_every_part_quoted() -> None:
    file = HubFile("o/n", "refs/pr/7", "a b/c#d?.pth")
    assert file.resolve_path() == "/o/n/resolve/refs%2Fpr%2F7/a%20b/c%23d%3F.pth"
    assert file.resolve_path("abc") == "/o/n/resolve/abc/a%20b/c%23d%3F.pth"
    assert file.name == "c#d?.pth"


@pytest.mark.parametrize(
    "repo", ["", "/", "a/b/c", "../a", "a/..", "a b/c", "a/b?x", "a/b#", "é/a"]
)
def test_what_is_no_repository_id_is_refused(repo: str) -> None:
    with pytest.raises(HostRefused) as caught:
        hub_address.hub_repo(repo)
    assert broken_rule(caught.value).why == Why.NO_REPOSITORY_ID


@pytest.mark.parametrize("path", ["", "/a", "a/", "a//b", "..", "a/../b", "./a"])
def test_what_is_no_path_inside_a_repository_is_refused(path: str) -> None:
    with pytest.raises(HostRefused) as caught:
        hub_address.hub_path(path)
    assert broken_rule(caught.value).why == Why.NO_PATH_INSIDE


@given(st.text() | URLS | st.text("hf:/@.datesmol").map("hf://{}".format))
def test_any_text_is_a_target_or_refused(url: str) -> None:
    try:
        target = read_url(url, LOCAL)
    except HostRefused:
        return
    if isinstance(target, HubFile):
        assert re.fullmatch(r"((datasets|spaces)/)?[\w.-]+(/[\w.-]+)?", target.repo)
        assert not {"", ".", ".."} & set(target.path.split("/"))
    elif isinstance(target, DirectFile):
        parts = urlsplit(target.url)
        assert parts.scheme == "https"
        assert (parts.hostname or "").rstrip(".") in DIRECT_HOSTS


@given(st.text() | URLS | st.text("hf:/@.datesmol").map("hf://{}".format))
@example("hf://datasets").via("nothing follows the kind")
@example("hf://models")
def test_any_text_is_a_folder_or_none_or_refused(url: str) -> None:
    with contextlib.suppress(HostRefused):
        folder = read_folder(url, LOCAL)
        if folder is not None:
            assert re.fullmatch(r"((datasets|spaces)/)?[\w.-]+(/[\w.-]+)?", folder.repo)
            assert not {".", ".."} & set(folder.path.split("/"))


def test_a_repository_id_can_not_end_in_a_newline() -> None:
    with pytest.raises(HostRefused):
        read_url(f"{HF}/owner/name%0A/resolve/main/x.pth", PUBLIC)


@pytest.mark.parametrize("number", ["%C2%B2", "9" * 5000], ids=["superscript", "5000 digits"])
@pytest.mark.parametrize("field", ["models/5?modelVersionId", "api/download/models/7?fileId"])
def test_a_civitai_number_that_is_none_is_refused(field: str, number: str) -> None:
    try:
        found = read_url(f"https://civitai.com/{field}={number}", PUBLIC)
    except HostRefused:
        return
    assert found == CivitaiFile(7, None)


def test_allow_hosts_does_not_care_for_case() -> None:
    read_url("https://DL.example.com/x.pth", PUBLIC, ("DL.Example.com",))


@pytest.mark.parametrize("code", ["%1B%5B2J", "%0A", "%00", "%C2%9B", "%E2%80%AE"])
def test_a_hub_path_can_not_hide_in_a_terminal(code: str) -> None:
    with pytest.raises(HostRefused):
        read_url(f"{HF}/o/n/resolve/main/x{code}.pth", PUBLIC)


BUCKET = "https://objectstorage.us-phoenix-1.oraclecloud.com/n/ax6ygfvpvzka/b/open-modeldb-files/o"


def test_of_a_host_where_anyone_may_have_a_bucket_only_the_known_one_is_listed() -> None:
    assert read_url(f"{BUCKET}/x.pth", Endpoints()) == DirectFile(f"{BUCKET}/x.pth", "x.pth")
    host = "objectstorage.us-phoenix-1.oraclecloud.com"
    for address in (
        f"https://{host}/n/other/b/open-modeldb-files/o/x.pth",
        f"{BUCKET}/../../../../other/b/x/o/x.pth",
        f"{BUCKET}/%2e%2e/x.pth",
        f"{BUCKET}/..%2Fx.pth",
        "https://f002.backblazeb2.com/file/OTHER/x.pth",
        f"https://{host}.example.org/n/ax6ygfvpvzka/b/open-modeldb-files/o/x.pth",
    ):
        with pytest.raises(HostRefused) as refused:
            read_url(address, Endpoints())
        assert refused.value.reason.why == Why.ADDRESS_NOT_LISTED


@pytest.mark.parametrize(
    "address",
    [
        "https://mega.nz/file/x#k",
        "http://www.mega.nz/#!x",
        "https://drive.google.com/uc?id=x",
        "https://DRIVE.proton.me/urls/x",
        "https://e1.pcloud.link/publink/show?code=x",
    ],
)
def test_a_page_for_people_is_no_matter_of_allowing_its_host(address: str) -> None:
    with pytest.raises(HostRefused) as refused:
        read_url(address, Endpoints())
    assert broken_rule(refused.value) == because(Why.PAGE_IN_BETWEEN)
    assert "allow_hosts" not in words.problem(refused.value)
    allowed = "https://mega.nz/x.pth"
    assert read_url(allowed, Endpoints(), ("mega.nz",)) == DirectFile(allowed, "x.pth")


def test_a_page_of_github_that_shows_a_file_is_read_as_the_file() -> None:
    read = read_url("https://github.com/a/b/blob/main/blob/x.pth?raw=true", Endpoints())
    assert read == DirectFile("https://github.com/a/b/raw/main/blob/x.pth?raw=true", "x.pth")
    for address in ("https://github.com/a/blob/raw/main/x.pth", "https://github.com/a/b/blob"):
        name = address.rpartition("/")[2]
        assert read_url(address, Endpoints()) == DirectFile(address, name)
