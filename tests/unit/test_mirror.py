"""Entries of `mirror:` and COMFYFIX_MIRROR: which are taken, what is shown, what is handed on."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comfyfix import templates
from comfyfix.errors import SetupProblem
from comfyfix.mirrors.handing import BYTES_MAX, HELD_SECONDS, Handed, Mirrors
from comfyfix.net import buckets
from comfyfix.net.buckets import Bucket, BucketFailed
from comfyfix.records import FileFact, Model, Record
from comfyfix.secrets import open_address
from comfyfix.settings import mirror
from comfyfix.settings.manifest import Manifest
from comfyfix.settings.mirror import Mirror
from comfyfix.why import Why

SECRET = "0123456789abcdef-canary"
DIGEST = "ab" + "0" * 62
SIGNED = f"https://host/models/sha256/ab/{DIGEST}?X-Amz-Signature={SECRET}"


def record(**told: object) -> Record:
    fields: dict[str, object] = {
        "number": 1,
        "model": Model(folder="loras", path="x.safetensors"),
        "destination": "/m/loras/x.safetensors",
        "store": "/m",
        "source": "lock",
        "where": "",
        "url": "https://huggingface.co/a/b/resolve/main/x.safetensors",
        "sha256": DIGEST,
        **told,
    }
    return Record(**fields)  # type: ignore[arg-type]


def manifest(*entries: str, comfyui: str = "-") -> Manifest:
    return Manifest(comfyui=comfyui, mirror=entries)


@pytest.mark.parametrize(
    ("entry", "kind"),
    [
        ("/mnt/mirror", "folder"),
        ("file:///mnt/my%20mirror", "folder"),
        ("https://host/models", "address"),
        ("http://127.0.0.1:8080", "address"),
        ("http://[::1]:8080/x", "address"),
        ("http://host:1/x", "address"),
        ("s3://bucket/a/prefix", "bucket"),
        ("gs://bucket", "bucket"),
    ],
)
def test_what_is_a_mirror_is_taken(entry: str, kind: str) -> None:
    assert mirror.flaw(entry) is None
    assert mirror.mirror(entry).kind == kind


@pytest.mark.parametrize(
    "entry",
    [
        " ", "http://host:0/x", "http://host:99999/x", "https://host/x#part", "https:///x",
        "ftp://host/x", "https://host/a b", "s3://bucket/a/../b", "s3://bucket//a",
    ],
)  # fmt: skip
def test_what_is_no_mirror_is_refused(entry: str) -> None:
    flaw = mirror.flaw(entry)
    assert flaw is not None
    assert flaw.why == Why.MIRROR_UNFIT


def test_the_variable_wins_and_the_demo_has_none() -> None:
    told = {mirror.VARIABLE: f"/a\n {SIGNED}\ts3://bucket"}
    assert [m.kind for m in mirror.named(manifest("/c"), told)] == ["folder", "address", "bucket"]
    assert [m.place for m in mirror.named(manifest("/c"), {mirror.VARIABLE: " "})] == ["/c"]
    assert mirror.named(manifest("/c", comfyui="demo"), told) == ()


@given(st.text())
def test_no_entry_is_more_than_refused_and_no_query_is_told(text: str) -> None:
    for entry in (text, f"https://host/{text}?{SECRET}", f"https://u:{SECRET}@host/{text}"):
        unfit = mirror.flaw(entry)
        assert unfit is None or SECRET not in str(unfit)
        try:
            found = mirror.named(manifest(), {mirror.VARIABLE: entry})
        except SetupProblem as problem:
            assert SECRET not in str(problem)
        else:
            assert all(SECRET not in m.label and SECRET not in repr(m) for m in found)


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0/"), min_size=1)


@settings(max_examples=40)
@given(NAMES, NAMES)
def test_a_script_reads_a_folder_as_it_was_told(one: str, other: str) -> None:
    """Whatever it is called: blanks, patterns, backslashes, percent signs."""
    places = [f"/{one}", f"/x/{other}"]
    handed = "\n".join(Mirror(place, "folder").handed for place in places)
    program = (
        templates.text("script/mirror.sh")
        + "set -f\nfor each in $COMFYFIX_MIRROR; do\n"
        + 'in_mirror "$each" && printf "%s\\0" "$PLACE"\ndone'
    )
    env = {"COMFYFIX_MIRROR": handed, "SHA256": DIGEST, "LC_ALL": "C"}
    done = subprocess.run(["bash", "-c", program], env=env, capture_output=True, check=False)
    told = [part.decode() for part in done.stdout.split(b"\0")[:-1]]
    assert told == [f"{place.rstrip('/')}/{mirror.name_of(DIGEST)}" for place in places]


def test_a_script_gets_what_its_files_need(monkeypatch: pytest.MonkeyPatch) -> None:
    class Signing:
        def __init__(self, place: str) -> None:
            self.place = place

        def signed(self, paths: list[str]) -> list[str]:
            return [f"https://signed/{path}?sig={SECRET}" for path in paths]

    monkeypatch.setattr("comfyfix.mirrors.handing.Bucket", Signing)
    places = [Mirror("/a", "folder"), Mirror("s3://b", "bucket")]
    facts = [FileFact(path=f"{n}.bin", url="", size=1, sha256=f"{n:064d}") for n in range(3)]
    facts.append(FileFact(path="c.json", url="", size=1, blob="0" * 40))
    whole = record(sha256=None, files=tuple(facts), model=Model(folder="LLM", path="x"))
    handed = Mirrors(places, lambda *_: None).handed(whole)
    assert [m.label for m in handed.mirrors] == ["/a", "s3://b", "s3://b", "s3://b"]
    assert handed.places[1] == f"https://signed/{mirror.name_of('0' * 64)}?sig={SECRET}"
    assert handed.of("1") == places[1]
    assert [handed.of(text) for text in ("4", "-1", "x", "", "9" * 30, "²")] == [None] * 6
    assert SECRET not in handed.without_secrets(f"curl: {handed.places[1]}")
    assert Mirrors(places, lambda *_: None, offline=True).handed(whole).places == ("/a",)
    for other in (record(sha256=None), record(local="/m/other")):
        assert Mirrors(places, lambda *_: None).handed(other) == Handed()
    many = [FileFact(path=f"{n}", url="", size=1, sha256=f"{n:064d}") for n in range(5000)]
    text = Mirrors(places, lambda *_: None).handed(record(sha256=None, files=tuple(many))).text
    assert BYTES_MAX - 200 < len(text) <= BYTES_MAX
    assert handed.addresses == handed.places[1:]


def test_one_that_could_not_be_reached_is_left_alone_for_a_while() -> None:
    now = [0.0]
    place = Mirror("https://host", "address")
    mirrors = Mirrors([place], lambda *_: None, clock=lambda: now[0])
    assert mirrors.handed(record()).places == ("https://host",)
    assert mirrors.unreached(place)
    assert not mirrors.unreached(place)
    assert mirrors.handed(record()).places == ()
    now[0] = HELD_SECONDS
    assert mirrors.handed(record()).places == ("https://host",)
    assert mirrors.unreached(place), "it may be told again"


def test_a_bucket_that_gives_nothing_is_told_and_asked_again_if_it_may_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Refusing:
        def __init__(self, place: str) -> None:
            if place == "s3://unfit":
                raise BucketFailed(Why.MIRROR_NO_KEY)

        def signed(self, paths: list[str]) -> list[str]:
            assert paths == [mirror.name_of(DIGEST)]
            raise BucketFailed(Why.MIRROR_REFUSES)

    monkeypatch.setattr("comfyfix.mirrors.handing.Bucket", Refusing)
    places = [
        Mirror("s3://unfit", "bucket"),
        Mirror("gs://closed", "bucket"),
        Mirror("/a", "folder"),
    ]
    heard: list[tuple[str, Why]] = []
    now = [0.0]
    mirrors = Mirrors(
        places, lambda label, reason: heard.append((label, Why(reason.why))), clock=lambda: now[0]
    )
    unfit, closed = ("s3://unfit", Why.MIRROR_NO_KEY), ("gs://closed", Why.MIRROR_REFUSES)
    for at, told in ((0.0, [unfit, closed]), (1.0, []), (HELD_SECONDS + 1, [closed])):
        now[0] = at
        heard.clear()
        assert mirrors.handed(record()).places == ("/a",)
        assert heard == told


@pytest.mark.parametrize("place", ["s3://bucket", "gs://bucket"])
def test_without_keys_in_the_environment_no_bucket_is_asked(
    monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    for names in buckets._KEYS.values():
        for name in (name for group in names for name in group):
            monkeypatch.delenv(name, raising=False)
    with pytest.raises(BucketFailed) as failed:
        Bucket(place)
    assert failed.value.reason.why == Why.MIRROR_NO_KEY
    told: list[str] = []
    mirrors = Mirrors([Mirror(place, "bucket")], lambda label, _: told.append(label))
    assert mirrors.handed(record()) == mirrors.handed(record()) == Handed()
    assert told == [place]


@pytest.mark.parametrize(
    "query",
    [
        "X-Amz-Signature=0",
        "X-Amz-Credential=0",
        "X-Amz-Security-Token=0",
        "X-Goog-Signature=0",
        "AWSAccessKeyId=0",
        "sig=0",
        "Signature=0",
    ],
)
def test_what_signs_an_address_is_taken_out_of_it(query: str) -> None:
    assert open_address(f"https://host/x?a=1&{query}") == "https://host/x?a=1"


def test_no_script_names_a_mirror(tmp_path: Path) -> None:
    from comfyfix.script import render

    told = render.render(record(size=5), manifest("/mnt/a-mirror", "https://mirror.example/x"))
    assert "mirror" not in told
