"""Many kills in a row: never a partial under the final name, nothing left behind at the end."""

from __future__ import annotations

import random
import subprocess

import pytest

from comfyfix.demo.hub import Hub
from tests.behaviour.test_script import DATA, NAME, left, script_for
from tests.rig import Site

KILLS = 200


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(1))
def test_killed_at_any_moment(site: Site, hub: Hub, seed: int) -> None:
    folder = site.models / "loras"
    chance = random.Random(seed)
    env = site.environment(HF_ENDPOINT=hub.url)
    hub.delays["file"] = 0.05
    script = script_for(site, hub)
    for _ in range(KILLS):
        with subprocess.Popen(
            ["bash", str(script)], env=env, stdout=subprocess.DEVNULL, start_new_session=True
        ) as running:
            try:
                running.wait(chance.uniform(0.0, 0.25))
            except subprocess.TimeoutExpired:
                # Half of the time the script alone, as the kernel's memory killer might.
                if chance.random() < 0.5:
                    running.kill()
                else:
                    subprocess.run(["kill", "-9", "--", f"-{running.pid}"], check=False)
        final = folder / NAME
        if final.exists():
            assert final.read_bytes() == DATA
            if chance.random() < 0.7:
                final.unlink()
    assert site.script(script).returncode == 0
    assert (folder / NAME).read_bytes() == DATA
    assert left(folder) == [NAME]
