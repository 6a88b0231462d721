"""Several jobs for one store: each begins elsewhere, and each ends with everything there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfyfix.demo.hub import Hub
from comfyfix.errors import SetupProblem
from comfyfix.settings import shard
from comfyfix.tasks.run.running import Run
from comfyfix.tasks.run.scope import default_tasks
from tests.inprocess import InProcess

NAMES = tuple(f"harbour_light_{number:02d}.safetensors" for number in range(9))


def needing(site: InProcess, hub: Hub) -> None:
    hub.add("harbour/harbour_light", NAMES)
    site.workflow("w.json", *(("loras", name) for name in NAMES))
    site.manifest(batch=3)


@pytest.mark.parametrize(
    ("environ", "first"),
    [
        ({}, 0), ({"COMFYFIX_SHARD": "0/3"}, 0), ({"COMFYFIX_SHARD": "1/3"}, 3),
        ({"COMFYFIX_SHARD": "2/3"}, 6), ({"COMFYFIX_SHARD": " 7/8 "}, 6),
        ({"SLURM_ARRAY_TASK_ID": "11", "SLURM_ARRAY_TASK_MIN": "10",
          "SLURM_ARRAY_TASK_COUNT": "3"}, 3),
        ({"SLURM_ARRAY_TASK_ID": "14", "SLURM_ARRAY_TASK_MIN": "10",
          "SLURM_ARRAY_TASK_COUNT": "3", "SLURM_ARRAY_TASK_STEP": "2"}, 6),
        ({"SLURM_ARRAY_TASK_ID": "1", "SLURM_ARRAY_TASK_MIN": "0",
          "SLURM_ARRAY_TASK_COUNT": "9" * 5000}, 0),
        ({"SLURM_ARRAY_TASK_ID": "1", "SLURM_ARRAY_TASK_MIN": "0",
          "SLURM_ARRAY_TASK_COUNT": "3", "SLURM_ARRAY_TASK_STEP": "0"}, 3),
        ({"SLURM_ARRAY_TASK_ID": "x", "SLURM_ARRAY_TASK_MIN": "10",
          "SLURM_ARRAY_TASK_COUNT": "3"}, 0),
    ],
)  # fmt: skip
def test_a_job_begins_with_a_batch_of_its_own(
    inprocess: InProcess, hub: Hub, environ: dict[str, str], first: int
) -> None:
    needing(inprocess, hub)
    project = inprocess.project()
    names = default_tasks(Run(project, lambda: project, shard=shard.of(environ)))
    downloads = [name.partition(":")[2] for name in names if name.startswith("download:")]
    stems = [name.rpartition(".")[0] for name in NAMES]
    assert downloads == stems[first:] + stems[:first]
    assert names[3].startswith("verify:"), "a batch is verified once it is settled"


def test_a_job_ends_with_all_models_there(inprocess: InProcess, hub: Hub) -> None:
    needing(inprocess, hub)
    assert inprocess.run("-n", "0", COMFYFIX_SHARD="1/3").code == 0
    assert len(list((inprocess.models / "loras").iterdir())) == len(NAMES)
    fetched = next(seen.path for seen in hub.seen if "/cdn/" in seen.path)
    assert NAMES[3] in fetched


@pytest.mark.parametrize("told", ["1", "3/3", "4/3", "-1/3", "a/b", "0/0", "1/2/3", "١/٢"])
def test_what_names_no_part_is_refused(inprocess: InProcess, told: str) -> None:
    inprocess.workflow("w.json", ("loras", NAMES[0]))
    ran = inprocess.run(COMFYFIX_SHARD=told)
    assert ran.code == 3
    assert "COMFYFIX_SHARD" in ran.err
    assert told in ran.err


@given(st.integers(1, 40), st.integers(0, 200))
def test_parts_begin_apart_and_in_order(jobs: int, batches: int) -> None:
    all_of_them = list(range(batches))
    orders = [shard.turned((job, jobs), all_of_them) for job in range(jobs)]
    assert all(sorted(order) == all_of_them for order in orders)
    firsts = [order[0] for order in orders if order]
    assert firsts == sorted(firsts)
    assert firsts[:1] == all_of_them[:1]
    assert len(set(firsts)) == min(jobs, batches)


@given(
    st.dictionaries(
        st.sampled_from([shard.VARIABLE, *shard._SLURM, shard._STEP]),
        st.text(max_size=8) | st.integers(0, 10**12).map(str),
    )
)
def test_any_environment_is_read_or_refused(environ: dict[str, str]) -> None:
    try:
        job, jobs = shard.of(environ)
    except SetupProblem:
        return
    assert 0 <= job < jobs
