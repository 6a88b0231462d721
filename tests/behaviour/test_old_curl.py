"""Curl before 7.75 tells nothing of the head of an answer that is an error."""

from __future__ import annotations

import pytest

from comfyfix.demo.hub import Fault, Hub, sha256
from tests.behaviour.test_at_once import asked, before
from tests.behaviour.test_script import DATA, NAME, REPO, script_for
from tests.rig import Site

AS_IT_WAS = r"""
head='' last=''
for word; do
  [ "$last" != --dump-header ] || head="$word"
  last="$word"
done
case " $* " in *' --no-fail '*) exec "$real" "$@" ;; esac
if [ "$head" = - ]; then
  said=$("$real" "$@" 2>&1)
  code=$?
  [ "$code" != 22 ] || said="${said%HTTP/1.*}${said##*$'\r\n'}"
  printf '%s\n' "$said"
else
  "$real" "$@"
  code=$?
  [ "$code" != 22 ] || { said=$(<"$head") && printf '%s' "${said%HTTP/1.*}" >"$head"; }
fi
exit "$code"
"""


@pytest.fixture
def path(site: Site) -> str:
    return before(site, "curl", *AS_IT_WAS.splitlines())


@pytest.mark.parametrize("hashed", [True, False])  # the one is tried at once, the other is not
@pytest.mark.parametrize(("kind", "code"), [("404", 12), ("410", 12), ("503", 15), ("429", 15)])
def test_what_fails_ends_with_its_code(
    site: Site, hub: Hub, path: str, kind: str, code: int, hashed: bool
) -> None:
    script = script_for(site, hub) if hashed else script_for(site, hub, sha256=None)
    hub.faults.append(Fault("file *", kind, headers={"Retry-After": "0"}))
    done = site.script(script, PATH=path)
    assert done.returncode == code, done.stdout
    assert asked(hub, "/cdn/*") <= 7
    hub.faults.clear()
    assert site.script(script, PATH=path).returncode == 0
    assert site.files() == {f"loras/{NAME}": sha256(DATA)}


@pytest.mark.parametrize("kind", ["503", "expire"])
def test_what_passes_is_tried_again(site: Site, hub: Hub, path: str, kind: str) -> None:
    hub.faults.append(Fault("file *", kind, times=1, headers={"Retry-After": "0"}))
    done = site.script(script_for(site, hub), PATH=path)
    assert done.returncode == 0, done.stdout
    assert site.files() == {f"loras/{NAME}": sha256(DATA)}


@pytest.mark.parametrize("hashed", [True, False])
def test_the_gates_of_the_hub_are_told_apart(site: Site, hub: Hub, path: str, hashed: bool) -> None:
    script = script_for(site, hub) if hashed else script_for(site, hub, sha256=None)
    hub.repositories[REPO].gated, hub.tokens = True, {"hf_accepted"}
    assert site.script(script, PATH=path).returncode == 10
    assert site.script(script, PATH=path, HF_TOKEN="hf_unknown").returncode == 11
    done = site.script(script, PATH=path, HF_TOKEN="hf_accepted")
    assert done.returncode == 0, done.stdout
    assert site.files() == {f"loras/{NAME}": sha256(DATA)}
