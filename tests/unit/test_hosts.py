"""Addresses from outside: what they mean, and which are never asked."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfyfix.errors import HostRefused
from comfyfix.net import hosts
from comfyfix.net.civitai_address import CivitaiFile
from comfyfix.net.hosts import DIRECT_HOSTS, DirectFile, HubFile, read_url
from comfyfix.settings.manifest import Endpoints

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
}
REFUSED = {  # → a word of the rule that is broken
    "": "https", "model.safetensors": "https", "//github.com/x": "https", "https:///x": "public",
    "file:///etc/passwd": "https", "ftp://github.com/x": "https", "http://github.com/x": "https",
    "data:,x": "https", "javascript:alert(1)": "https", "https:github.com/x": "public",
    "http://169.254.169.254/latest": "https", "https://169.254.169.254/latest": "public",
    "http://127.1/x": "https", "https://127.1/x": "public", "https://127.0.0.1/x": "public",
    "https://2130706433/x": "public", "https://0x7f000001/x": "public", "https://0/x": "public",
    "https://0x7f.1/x": "public", "https://0177.0.0.1/x": "public", "https://[::1]/x": "public",
    "https://[::ffff:127.0.0.1]/x": "public", "https://[::ffff:7f00:1]/x": "public",
    "https://[fe80::1%25eth0]/x": "public", "https://[64:ff9b::7f00:1]/x": "public",
    "https://8.8.8.8/x": "public", "https://localhost/x": "public", "https://intranet/x": "public",
    "https://metadata.google.internal/x": "public", "https://nas.local/x": "public",
    "https://printer.lan./x": "public", "https://a.localhost/x": "public",
    "https://a_b.c.com/x": "public", f"https://{'a' * 64}.com/x": "public",
    "https://user@github.com/x": "user", "https://github.com@evil.example/x": "user",
    "https://user:pass@huggingface.co/o/n/resolve/main/x": "user", "https://@github.com/x": "user",
    "https://github.com:8443/x": "port", "https://github.com:80/x": "port",
    "https://github.com:0/x": "port", "https://github.com:99999/x": "out of range",
    "https://github.com:x/x": "could not be cast", "https://[::1/x": "IPv6",
    "https://github.com\\@evil.example/x": "backslash", "https:\\\\github.com/x": "backslash",
    "https://h.io/a b": "space", " https://github.com/x": "space", "https://h.io/x\n": "space",
    "https://git\thub.com/x": "space", "https://h.io/\0": "space", "https://h.io/\x7f": "space",
    "https://g\u0456thub.com/x": "ASCII", "https://github\u3002com/x": "ASCII",
    "https://github.com/\u202e": "ASCII", "https://evil.example/x": "not listed",
    "https://github.com.evil.example/x": "not listed", "https://evilgithub.com/x": "not listed",
    "https://127.0.0.1.nip.io/x": "not listed", "https://huggingface.co.evil.io/x": "not listed",
    "http://127.0.0.1:81880/x": "out of range", "http://127.0.0.1:8189/x": "https",
    "https://127.0.0.1:8188/o/n/resolve/main/x": "port",
    f"{HF}/o/n": "no file", f"{HF}/o/n/tree/main/x": "no file", f"{HF}/o/n/resolve/main": "no file",
    f"{HF}/o/n/resolve/main/": "no file", f"{HF}/o/n/resolve/..%2F..%2Fapi/x": "no file",
    f"{HF}/o/n/resolve/main/../../x": "path inside", f"{HF}/o/n/resolve/main/..%2Fx": "path inside",
    f"{HF}/o/n/resolve/main/a//x": "path inside", f"{HF}/../n/resolve/main/x": "repository id",
    f"{HF}/o/n%20m/resolve/main/x": "repository id", f"{HF}/o/a..b/resolve/main/x": "repository id",
    f"{HF}/o%2Fn/m/resolve/main/x": "repository id", f"{HF}/-o/n/resolve/main/x": "repository id",
    "https://civitai.com/models/5": "model version", "https://civitai.com/": "model version",
    "https://civitai.com/models/5?modelVersionId=-7": "model version",
    "https://www.civitai.com/api/download/models/70?fileId=all": "fileId",
    "https://civitai.com/api/download/models/70?fileId=1&fileId=2": "more than once",
    "https://civitai.com/api/download/models/70?type=VAE&type=Model": "more than once",
    "https://civitai.com/api/download/models/70?size=%1b[2J": "its size",
    "https://civitai.com/api/download/models/70?type=../VAE": "its type",
    "https://civitai.com/api/download/models/70?fp=" + "a" * 41: "its fp",
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
def test_an_address_that_breaks_a_rule_is_refused_by_its_name(url: str, rule: str) -> None:
    with pytest.raises(HostRefused) as caught:
        read_url(url, LOCAL)
    assert rule in caught.value.cause
    assert str(caught.value).isprintable()


def test_a_private_address_is_the_hub_only_where_it_is_configured() -> None:
    with pytest.raises(HostRefused):
        read_url("http://127.0.0.1:8188/o/n/resolve/main/b.pth", PUBLIC)


def test_a_host_that_is_not_listed_can_be_allowed_and_the_refusal_says_how() -> None:
    with pytest.raises(HostRefused, match=r"add dl\.example\.com to download\.allow_hosts"):
        read_url("https://dl.example.com/x.pth", PUBLIC, ("example.com",))
    found = read_url("https://DL.example.com/x.pth", PUBLIC, ("dl.example.com",))
    assert found == DirectFile(url="https://DL.example.com/x.pth", name="x.pth")


@pytest.mark.parametrize("host", ["127.0.0.1", "10.0.0.1", "localhost", "nas.local", "[::1]"])
def test_a_machine_nearby_can_not_be_allowed(host: str) -> None:
    with pytest.raises(HostRefused, match="not a public name"):
        read_url(f"https://{host}/x.pth", PUBLIC, (host, host.strip("[]")))


def test_a_hub_file_is_asked_with_every_part_quoted() -> None:
    file = HubFile("o/n", "refs/pr/7", "a b/c#d?.pth")
    assert file.resolve_path() == "/o/n/resolve/refs%2Fpr%2F7/a%20b/c%23d%3F.pth"
    assert file.resolve_path("abc") == "/o/n/resolve/abc/a%20b/c%23d%3F.pth"
    assert file.name == "c#d?.pth"


@pytest.mark.parametrize(
    "repo", ["", "/", "a/b/c", "../a", "a/..", "a b/c", "a/b?x", "a/b#", "é/a"]
)
def test_what_is_no_repository_id_is_refused(repo: str) -> None:
    with pytest.raises(HostRefused, match="not a repository id"):
        hosts.hub_repo(repo)


@pytest.mark.parametrize("path", ["", "/a", "a/", "a//b", "..", "a/../b", "./a"])
def test_what_is_no_path_inside_a_repository_is_refused(path: str) -> None:
    with pytest.raises(HostRefused, match="not a path inside"):
        hosts.hub_path(path)


@given(st.text() | URLS)
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
