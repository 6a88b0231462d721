"""Workflow files: what a widget holds after subgraphs, links and hosts have had their say."""

from __future__ import annotations

import codecs
import json

import pytest

from comfyfix.comfyui.workflows.read import NotAWorkflow, parse
from comfyfix.why import Why
from tests.unit.graphs import Json, found, link, node, paths, subgraph, ui, vae

INNER = subgraph("in", ["model", "vae"], vae(5, "inside.pth", 1), links=[link(1, -10, 1, 5)])
OUTER = subgraph(
    "out", ["my_vae"], node(7, "in", "mid.pth", links={"vae": 2}), links=[link(2, -10, 0, 7)]
)
PAIR = subgraph(
    "pair", ["model", "vae", "lora"],
    node(1, "LoraLoader", "in.pth", 1, 1, links={"model": 3, "lora_name": 1}),
    vae(2, "in2.pth", 2),
    links=[link(1, -10, 2, 1, 1), link(2, -10, 1, 2)],
)  # fmt: skip


def test_the_value_of_a_host_wins_at_every_depth_and_per_instance() -> None:
    hosts = [node(1, "out", "a.pth"), node(2, "out", "b.pth"), node(3, "out"), node(4, "in", None)]
    got = found(ui(*hosts, subgraphs=[OUTER, INNER]))
    assert [r.path for r in got] == ["a.pth", "b.pth", "mid.pth", "inside.pth"]
    assert [r.node_id for r in got] == ["1:7:5", "2:7:5", "3:7:5", "4:5"]


def test_definitions_may_be_nested_inside_definitions() -> None:
    outer = {**OUTER, "definitions": {"subgraphs": [INNER]}}
    (got,) = found(ui(node(1, "out", "a.pth"), subgraphs=[outer]))
    assert (got.path, got.node_type) == ("a.pth", "VAELoader")


def test_promoted_values_follow_the_definition_and_not_the_list_of_the_host() -> None:
    host = node(9, "pair", "v.pth", "l.pth", links={"lora": None})
    assert {r.input: r.path for r in found(ui(host, subgraphs=[PAIR]))} == {
        "vae_name": "v.pth",
        "lora_name": "l.pth",
    }


@pytest.mark.parametrize(("known", "value"), [([7], "host.pt"), ([8], "own.pt"), (None, "host.pt")])
def test_a_link_that_its_input_does_not_know_is_a_leftover(
    known: list[int] | None, value: str
) -> None:
    inner = subgraph("s", ["vae_name"], vae(5, "own.pt", link=7), links=[link(7, -10, 0, 5)])
    if known:
        inner["inputs"][0]["linkIds"] = known
    host = node(1, "s", "host.pt")
    assert [one.value for one in found(ui(host, subgraphs=[inner]))] == [value]


def test_a_host_with_named_values_is_read_by_name() -> None:
    host = {**node(9, "pair"), "widgets_values": {"lora": "l.pth"}}
    assert sorted(paths(ui(host, subgraphs=[PAIR]))) == ["in2.pth", "l.pth"]


def test_proxy_widgets_name_their_targets_and_null_keeps_the_value_inside() -> None:
    proxies = [["2", "vae_name"], ["1", "strength_model"], ["-1", "lora"]]
    host = node(9, "pair", None, 0.5, "l.pth", properties={"proxyWidgets": proxies})
    assert sorted(paths(ui(host, subgraphs=[PAIR]))) == ["in2.pth", "l.pth"]
    host["widgets_values"] = ["v.pth", 0.5, None]
    assert sorted(paths(ui(host, subgraphs=[PAIR]))) == ["in.pth", "v.pth"]


@pytest.mark.parametrize("form", ["object", "list", "only the target's slot", "only the link"])
def test_a_primitive_that_is_linked_says_the_value(form: str) -> None:
    ends = [link(8, 1, 0, 2), link(9, 2, 0, 3)]
    if form == "list":
        ends = [[*one.values(), "COMBO"] for one in ends]  # type: ignore[misc]
    if form == "only the target's slot":
        ends = [{**one, "target_slot": 7} for one in ends]
    reroute = {"id": 2, "type": "Reroute", "inputs": [{"name": "", "link": 8}]}
    loader = vae(3, "own.pth", None if form == "only the link" else 9)
    graph = ui(node(1, "PrimitiveNode", "primitive.pth", "fixed"), reroute, loader, links=ends)
    assert paths(graph) == ["primitive.pth"]
    assert paths(ui(reroute, loader, links=ends)) == ["own.pth"]


def test_a_linked_host_hands_the_primitive_on() -> None:
    host = node(9, "in", "host.pth", links={"vae": 4})
    graph = ui(node(1, "PrimitiveNode", "p.pth"), host, links=[link(4, 1, 0, 9)], subgraphs=[INNER])
    assert paths(graph) == ["p.pth"]


@pytest.mark.parametrize(("mode", "active"), [(0, True), (2, False), (3, True), (4, False)])
def test_what_is_muted_or_bypassed_is_inactive_with_all_inside(mode: int, active: bool) -> None:
    host = node(2, "out", "b.pth", mode=mode)
    graph = ui(vae(1, "a.pth", mode=mode), host, vae(3, "c.pth"), subgraphs=[OUTER, INNER])
    assert [(r.path, r.active) for r in found(graph)] == [
        ("a.pth", active),
        ("b.pth", active),
        ("c.pth", True),
    ]


def test_a_subgraph_that_contains_itself_is_expanded_once() -> None:
    a = subgraph("a", [], vae(1, "a.pth"), node(2, "b"))
    b = subgraph("b", [], vae(1, "b.pth"), node(2, "a"))
    assert paths(ui(node(1, "a"), subgraphs=[a, b])) == ["a.pth", "b.pth"]


@pytest.mark.parametrize("prefix", ["workflow/", "workflow>"])
def test_a_group_node_gives_its_values_to_its_members(prefix: str) -> None:
    members = [vae(0, "in.pth"), node(1, "LoraLoader", "in2.pth", 1, 1)]
    groups = {"groupNodes": {"G": {"nodes": members}, "Unused": {"nodes": [vae(0, "no.pth")]}}}
    host = node(4, f"{prefix}G", "v.pth", "l.pth", 1, 1)
    assert paths(ui(host, extra=groups)) == ["v.pth", "l.pth"]
    assert paths(ui(node(4, f"{prefix}G", "short"), extra=groups)) == ["in.pth", "in2.pth"]
    assert paths(ui(node(4, "G"), extra=groups)) == []


def test_widgets_may_be_a_mapping() -> None:
    loader = {"id": 1, "type": "VAELoader", "widgets_values": {"x": "y.pth", "vae_name": "v.pth"}}
    assert [(r.input, r.path) for r in found(ui(loader))] == [("vae_name", "v.pth")]


API = {
    "1": {"class_type": "PrimitiveString", "inputs": {"value": "p.pth"}},
    "2": {"class_type": "VAELoader", "inputs": {"vae_name": ["1", 0]}},
    "3": {"class_type": "VAELoader", "inputs": {"vae_name": "own.pth", "seed": float("nan")}},
    "4": {"class_type": "VAELoader", "inputs": {"vae_name": ["3", 0]}},
    "_meta": {"title": "not a node"},
}


def test_api_json_is_read_bare_wrapped_with_nan_with_a_bom_and_with_links() -> None:
    bare = json.dumps(API).encode()
    for data in (bare, b"\xef\xbb\xbf" + bare, b'{"client_id": 1, "prompt": ' + bare + b"}"):
        assert [(r.node_id, r.path) for r in found(data)] == [("2", "p.pth"), ("3", "own.pth")]


def test_a_ui_workflow_may_be_wrapped_and_have_a_bom() -> None:
    data = json.dumps({"workflow": ui(vae(1, "a.pth"))}).encode()
    assert paths(b"\xef\xbb\xbf" + data) == ["a.pth"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32", "utf-8-sig"])
def test_a_text_with_its_mark_is_read_in_its_encoding(encoding: str) -> None:
    mark = codecs.BOM_UTF16_BE if encoding == "utf-16-be" else b""
    assert paths(mark + json.dumps(ui(vae(1, "ä.pth")), ensure_ascii=False).encode(encoding)) == [
        "ä.pth"
    ]
    with pytest.raises(NotAWorkflow):
        parse(codecs.BOM_UTF16_LE + b"{\x00\x00\xd8}")


ENTRY = {"3": {"class_type": "VAELoader", "inputs": {"vae_name": "a.pth"}}}
TELLING = {"extra_pnginfo": {"workflow": ui(vae(1, "shown.pth"))}}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"input": {"workflow": ENTRY, "images": []}}, [("3", "a.pth")]),
        ({"input": {"prompt": ENTRY}}, [("3", "a.pth")]),
        ({"input": {"workflow": ui(vae(1, "a.pth"))}}, [("1", "a.pth")]),
        ({"id": {"prompt": [1, "id", ENTRY, {}, ["9"]], "outputs": {}}}, [("3", "a.pth")]),
        ({"prompt": [1, "id", ENTRY, TELLING, []]}, [("1", "shown.pth")]),
        ({"prompt": [1, "id", ENTRY]}, [("3", "a.pth")]),
        (
            {"x": {"prompt": [1, "x", ENTRY]}, "y": {"prompt": [2, "y", ENTRY]}},
            [("x:3", "a.pth"), ("y:3", "a.pth")],
        ),
    ],
)
def test_what_servers_put_around_a_graph_is_taken_off(
    value: Json, expected: list[tuple[str, str]]
) -> None:
    assert [(r.node_id, r.path) for r in found(value)] == expected


@pytest.mark.parametrize("value", [{"prompt": [1]}, {"input": {"input": {"input": {}}}}, {"a": {}}])
def test_a_wrapper_without_a_graph_is_no_workflow(value: Json) -> None:
    with pytest.raises(NotAWorkflow) as caught:
        parse(json.dumps(value).encode())
    assert caught.value.reason.why == Why.NO_WORKFLOW


@pytest.mark.parametrize(
    ("data", "whys", "line", "column"),
    [
        (b'{"nodes": [\n  {"id": 1},,\n]}', [Why.JSON_BROKEN], 2, 13),
        (b"\xef\xbb\xbf{", [Why.JSON_BROKEN], 1, 2),
        (b"", [Why.JSON_BROKEN], 1, 1),
        (b'{"a": "\xff"}', [Why.JSON_BROKEN], 1, 8),
        (b"[" * 100_000, [Why.JSON_UNREADABLE], None, None),
        (b"1" * 5000, [Why.NO_WORKFLOW, Why.JSON_UNREADABLE], None, None),
        (b"[]", [Why.NO_WORKFLOW], None, None),
        (b'{"nodes": {}, "prompt": 1}', [Why.NO_WORKFLOW], None, None),
        (b'{"models": [{"name": "x.pth"}]}', [Why.NO_WORKFLOW], None, None),
    ],
    ids=range(9),
)
def test_what_is_no_workflow_says_why_and_where(
    data: bytes, whys: list[Why], line: int | None, column: int | None
) -> None:
    with pytest.raises(NotAWorkflow) as caught:
        parse(data)
    told = caught.value.reason.told
    assert caught.value.reason.why in whys
    assert (told.get("line"), told.get("column")) == (line, column)


def test_an_input_without_a_link_is_not_given_a_link_without_an_id() -> None:
    stray = {**link(0, 1, 0, 9), "id": None}
    assert paths(ui(node(1, "PrimitiveNode", "p.pth"), vae(2, "own.pth"), links=[stray])) == [
        "own.pth"
    ]


@pytest.mark.timeout(30)
def test_subgraphs_that_double_at_every_level_do_not_hang() -> None:
    levels = [subgraph(f"s{n}", [], node(1, f"s{n + 1}"), node(2, f"s{n + 1}")) for n in range(40)]
    data = json.dumps(ui(node(1, "s0"), subgraphs=[*levels, subgraph("s40", [])])).encode()
    with pytest.raises(NotAWorkflow) as caught:
        parse(data)
    assert caught.value.reason.why == Why.NODES_MANY


def test_group_nodes_can_not_multiply_without_bound() -> None:
    groups = {"groupNodes": {"G": {"nodes": [{"type": "X"}] * 600}}}
    hosts = [{"id": n, "type": "workflow/G"} for n in range(600)]
    with pytest.raises(NotAWorkflow) as caught:
        parse(json.dumps(ui(*hosts, extra=groups)).encode())
    assert caught.value.reason.why == Why.NODES_MANY


def test_a_negative_slot_is_no_crash() -> None:
    inner = subgraph("s", ["vae"], vae(5, "inside.pth", 1), links=[link(1, -10, 0, 5, -2)])
    assert paths(ui(node(1, "s", "host.pth"), subgraphs=[inner]))
