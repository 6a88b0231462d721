"""What `tests.breaks` breaks, and that a test which looks notices."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.breaks import __main__ as program
from tests.breaks import covered, make
from tests.breaks.trial import copied

SMALL = '''\
"""Compare 1 < 2 and not this."""

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pathlib import Path

LIMIT: "Literal[1] | None" = 3


def kept(values: list[int], least: int = 2, *, strict: bool = False) -> list[int]:
    """Keep what is >= least, and not more."""
    log(f"{len(values) > 3} values, {not strict}")
    if not values or strict and least > LIMIT:
        raise ValueError("no, and not so: 1 < 2")
    values.append(least)
    found = [v for v in values if v >= least]
    while least in found:
        found.remove(least)
    return sorted(found, key=lambda v: -v, reverse=True)


class Holder:
    """Holds one."""

    def __init__(self, value: "int | None" = None) -> None:
        self.value = "größer" if value is None else value

    def holds(self, other: int) -> bool:
        """Tell."""
        return self.value == other

    def told(self, other: int) -> str:
        """Tell in words."""
        return f"{self.value if other else 'a or b'} and {other}"
'''
PATH = "comfyfix/stages/small.py"
KINDS = {
    "and/or swapped", "boundary moved", "call removed", "comparison flipped", "condition negated",
    "default changed", "in negated", "not dropped", "order turned", "raise dropped",
    "return negated", "returns None", "returns its argument", "returns nothing in it",
    "sort key dropped",
}  # fmt: skip


def test_every_kind_of_break_is_made_and_each_is_one_change_of_code() -> None:
    offered = make.breaks(PATH, SMALL)
    assert {each.kind for each in offered} == KINDS
    for each in offered:
        ast.parse(each.applied(SMALL))
        assert each.applied(SMALL) != SMALL
        assert all(line.startswith(("-", "+")) for line in each.diff(SMALL))


def test_words_annotations_logs_and_type_checking_are_left_alone() -> None:
    for each in make.breaks(PATH, SMALL):
        touched = SMALL[each.begin : each.end]
        assert "TYPE_CHECKING" not in touched
        assert "log(" not in touched
        assert not touched.lstrip().startswith(('"', "f'", 'f"'))
    lines = SMALL.splitlines()
    quiet = {n for n, line in enumerate(lines, 1) if '"""' in line or "log(" in line}
    assert not quiet & {each.line for each in make.breaks(PATH, SMALL)}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("if not values or strict and least > LIMIT:", "not values and (strict and least > LIMIT)"),
        ("if not values or strict and least > LIMIT:", "strict or least > LIMIT"),
        ("if not values or strict and least > LIMIT:", "(values) or strict"),
        ("if not values or strict and least > LIMIT:", "least >= LIMIT"),
        ("found = [v for v in values if v >= least]", "if (not (v >= least))]"),
        ("least: int = 2", "least: int = 3"),
        ("strict: bool = False", "strict: bool = True"),
        ("while least in found", "while least not in found"),
        ("key=lambda v: -v", "return sorted(found, reverse=True)"),
        ("values.append(least)", "pass"),
        ('self.value = "größer" if value is None', 'self.value = "größer" if value is not None'),
        ("return self.value == other", "return not (self.value == other)"),
        ("return sorted(", "return values"),
    ],
)
def test_a_break_is_what_it_says(old: str, new: str) -> None:
    changes = [each.diff(SMALL) for each in make.breaks(PATH, SMALL)]
    assert any(old in told[0] and new in told[-1] for told in changes), changes


def test_the_same_seed_gives_the_same_breaks_and_another_gives_others() -> None:
    offered = make.breaks(PATH, SMALL)
    assert make.sample(offered, 7, 9) == make.sample(reversed(offered), 7, 9)
    assert make.sample(offered, 7, 9) != make.sample(offered, 8, 9)
    assert make.sample(offered, 7, 4) == make.sample(offered, 7, 9)[:4]
    assert sorted(make.sample(offered, 7, 10_000)) == offered


def test_equivalents_are_known_by_their_lines() -> None:
    text = "# words\n\na.py\n- x < 1\n+ x <= 1\nwhy: x is never 1\n\n"
    assert program.equivalents(text) == {("a.py", "- x < 1", "+ x <= 1"): "x is never 1"}
    with pytest.raises(SystemExit):
        program.equivalents("a.py\n- x\n+ y\n")
    program.equivalents(program.EQUIVALENT.read_text(encoding="utf-8"))


def test_quick_tests_and_then_unlike_ones_are_chosen_as_many_as_fit() -> None:
    seconds = {"a": 5.0, "b": 0.5, "c": 1.0, "d": 9.0, "e": 5.0}
    lines = {12: {"a", "b", "c", "d", "e"}, 13: {"a", "c"}, 40: {"b"}, 41: {"e"}, 42: {"e"}}
    found = covered.Map(seconds, {PATH: lines})
    [default] = [b for b in make.breaks(PATH, SMALL) if b.text == "3" and "default" in b.kind]
    assert found.tests(default, 60) == ["b", "c", "a", "e", "d"]
    assert found.tests(default, 12) == ["b", "c", "e", "a"], "e passes more"
    assert found.tests(default, 0.1) == ["b"]
    found.about = {PATH: {"c"}}
    assert found.tests(default, 60) == ["c", "b", "a", "e", "d"], "it is about the module"
    assert covered.Map().tests(default, 60) == []


def test_of_a_map_only_that_is_made_anew_which_other_tests_may_change(tmp_path: Path) -> None:
    files = {
        "comfyfix/small.py": "",
        "tests/conftest.py": "",
        "tests/unit/test_a.py": "from comfyfix import small\n",
        "tests/unit/test_b.py": "from tests.unit.test_a import small\n",
        "tests/unit/test_c.py": "from comfyfix import small\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    before = covered.state_of(tmp_path)
    assert covered.stale(tmp_path, before, before) == set()

    (tmp_path / "tests/unit/test_a.py").write_text("from comfyfix import small as s\nsmall = s\n")
    (tmp_path / "tests/unit/test_d.py").write_text("")
    gone = covered.stale(tmp_path, before, covered.state_of(tmp_path))
    assert gone == {f"tests/unit/test_{name}.py" for name in "abd"}, "b imports from a"

    known = covered.Map({"tests/unit/test_a.py::x": 1.0, "tests/unit/test_c.py::y": 2.0})
    known.lines = {PATH: {12: set(known.seconds)}}
    known.drop(gone)
    again = covered.Map()
    again.add(known.as_told())
    assert again.seconds == {"tests/unit/test_c.py::y": 2.0}
    assert again.lines == {PATH: {12: {"tests/unit/test_c.py::y"}}}

    for name in ("tests/conftest.py", "comfyfix/small.py"):
        (tmp_path / name).write_text("x = 1\n")
        now = {**before, name: covered.state_of(tmp_path)[name]}
        assert covered.stale(tmp_path, before, now) is None, "any test may pass other lines"


TESTS = """
from comfyfix.stages.small import Holder, kept

def test_kept():
    assert kept([4, 1, 3]) == [3, 4]

def test_holder():
    assert Holder(2).holds(2)
    Holder(2).told(1)
"""


@pytest.mark.soak  # runs of pytest
def test_a_tree_is_broken_in_a_copy_and_its_tests_notice(tmp_path: Path) -> None:
    root = tmp_path / "made"
    files = {
        PATH: SMALL.replace("    log(", "    str("),
        "comfyfix/__init__.py": "",
        "comfyfix/stages/__init__.py": "",
        "tests/__init__.py": "",
        "tests/unit/__init__.py": "",
        "tests/unit/test_small.py": TESTS,
        "pyproject.toml": "[tool.pytest.ini_options]\n",
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    source = files[PATH]
    suites = covered.test_files(root, ["tests/unit"], ["comfyfix/stages"])
    assert suites == ["tests/unit/test_small.py"]
    with copied(root, ["comfyfix/stages"]) as tree:
        found = covered.made(
            tree, tmp_path / "kept", {}, kind="inside", suites=suites, jobs=0, old=False
        )
        assert len(found.seconds) == 2
        ended = {}
        for each in make.breaks(PATH, source):
            told = "\n".join(each.diff(source))
            if any(text in told for text in ("values.append", "least in found", "return f")):
                tests = found.tests(each, 20)
                with tree.broken(each):
                    ended[each.kind] = tests, tree.run(tests, 20)
    assert (root / PATH).read_text(encoding="utf-8") == source
    tests, call = ended["call removed"]
    assert tests == ["tests/unit/test_small.py::test_kept"]
    assert call.green, "2 is taken out again: nobody sees that it was put in"
    assert ended["in negated"][1].by == "tests/unit/test_small.py::test_kept"
    tests, words = ended["returns nothing in it"]
    assert tests == ["tests/unit/test_small.py::test_holder"]
    assert words.green
