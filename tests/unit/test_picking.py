"""What is meant by a line of numbers, ranges, names and patterns; and what there is room for."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from comfyfix.disk.room import taken_by_parts
from comfyfix.records import Model, Record, Reference
from comfyfix.stages.needs.work import Pending, Planned
from comfyfix.stages.plan.fitting import Room, Space, fitting, room_for, space_of
from comfyfix.stages.plan.picking import Offer, picked

NAMES = ("flux_dev.safetensors", "ae.safetensors", "clip l.safetensors", "Wan_Q4.gguf", "7.pt")


def planned(number: int, name: str, *workflows: str, where: str = "/m") -> Planned:
    used = [
        Reference(
            workflow=workflow, node_id="1", node_type="L", input="x", value=name, name=name,
            path=name, folder="loras",
        )
        for workflow in workflows
    ]  # fmt: skip
    model = Model(folder="loras", path=name)
    return Planned(
        model=model, number=number, task=f"t{number}", location=f"{where}/{name}",
        pending=Pending.ABSENT, references=tuple(used),
    )  # fmt: skip


MODELS = [
    planned(number, name, "all.json", *(["video/wan.json"] if number > 12 else []))
    for number, name in enumerate(NAMES, 10)
]
OFFER = Offer.of(MODELS)


def meant(text: str) -> list[int]:
    return [model.number for model in picked(text, OFFER).models]


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("10", [10]),
        ("010, 12", [10, 12]),
        ("12-11", [11, 12]),
        ("9-99", [10, 11, 12, 13, 14]),
        ("w2", [13, 14]),
        ("w1-w2", [10, 11, 12, 13, 14]),
        ("W2 10", [10, 13, 14]),
        ("*.gguf", [13]),
        ("*.GGUF ae", [11, 13]),
        ("clip l.safetensors", [12]),
        ("'clip l' 10", [10, 12]),
        ("t14", [14]),
        ("7", [14]),
        ("wan.json", [13, 14]),
        ("wan", [13, 14]),
        ("flux", [10]),
        ("loras/ae.safetensors", [11]),
        ("!10 !w2", [11, 12]),
        ("10-13 !*.gguf", [10, 11, 12]),
        ("*", [10, 11, 12, 13, 14]),
        ("all", [10, 11, 12, 13, 14]),
        ("", []),
        ("!", []),
        ("ae'", []),
    ],
)
def test_a_line_means_models(text: str, numbers: list[int]) -> None:
    assert meant(text) == numbers


@pytest.mark.parametrize("text", ["99", "w9", "x", "*.onnx", "nothing", "1-9", "!nothing"])
def test_a_word_that_means_nothing_is_told(text: str) -> None:
    assert picked(f"10 {text}", OFFER).unknown == (text,)
    assert meant(f"10 {text}") == [10]


def need(key: str, size: int, *workflows: str, device: int | None = 1) -> Space:
    return Space(key, size, device, workflows)


@pytest.mark.parametrize(
    ("room", "kept"),
    [
        (0, ""),
        (39, "abz"),  # a workflow of two before the one of the large one, then what is left
        (29, "bz"),
        (30, "ab"),
        (130, "abz"),
        (131, "abz"),
        (1000, "abcz"),
    ],
)
def test_whole_workflows_fit_first_then_the_smallest(room: int, kept: str) -> None:
    needs = [
        need("a", 20, "small"), need("b", 10, "small"), need("c", 1000 - 39, "large"), need("z", 9),
    ]  # fmt: skip
    assert "".join(sorted(fitting(needs, {1: room}))) == kept


def test_each_disk_has_room_of_its_own() -> None:
    needs = [need("a", 50, "w"), need("b", 50, "w", device=2), need("c", 50, device=None)]
    assert fitting(needs, {1: 60, 2: 10}) == {"a", "c"}
    assert fitting(needs, {1: 60, 2: 50}) == {"a", "b", "c"}


def test_room_that_is_kept_is_not_given_to_another() -> None:
    room = Room({1: 100})
    assert room.take(need("a", 60))
    assert not room.take(need("b", 41))
    assert room.left(need("b", 41)) == 40
    assert room.take(need("a", 60)), "it has its room already"
    assert room.take(need("c", 40))
    assert room.take(need("d", 999, device=7)), "a disk that nobody knows of has no end"


def record(model: Planned, size: int) -> Record:
    return Record(
        source="huggingface", where="m/x", name=model.model.name, url="https://x", size=size,
        number=model.number, model=model.model, destination=model.location, store="/m",
    )  # fmt: skip


def test_what_is_there_already_takes_no_more_room(tmp_path: Path) -> None:
    model = planned(1, "x.safetensors", "w", where=str(tmp_path))
    whole = record(model, 100_000)
    assert space_of(model, whole).size == 100_000
    assert space_of(model, whole).workflows == ("w",)
    part = tmp_path / "x.safetensors.cafe.part"
    part.write_bytes(bytes(40_960))
    assert taken_by_parts(model.location) == 40_960
    assert space_of(model, whole).size == 100_000 - 40_960
    (tmp_path / "x.safetensors").write_bytes(bytes(100_000))
    assert space_of(model, whole).size == 0
    other = planned(2, "y.safetensors", where=str(tmp_path))
    near = str(tmp_path / "other")
    linked = msgspec.structs.replace(record(other, 100_000), local=near, url="")
    assert space_of(other, linked).size == 0
    assert space_of(other, msgspec.structs.replace(linked, lent=True)).size > 0


def test_the_reserve_is_left_alone_and_a_folder_need_not_be_there(tmp_path: Path) -> None:
    (free,) = room_for([tmp_path / "a" / "b", tmp_path], 0).values()
    (kept,) = room_for([tmp_path / "a"], 1 << 20).values()
    assert 0 < kept < free
    assert list(room_for([tmp_path], 1 << 60).values()) == [0]
