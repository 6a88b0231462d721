"""Which models a user means by a name: task, file name, or folder and path."""

from __future__ import annotations

from comfyfix.errors import SetupProblem
from comfyfix.records import because
from comfyfix.stages.work import Plan, Planned, Present
from comfyfix.why import Why


def named(plan: Plan, name: str) -> list[Planned | Present]:
    """Every needed model that a name fits. Raises SetupProblem if there is none."""
    every: list[Planned | Present] = [*plan.models, *plan.present]
    hits = [item for item in every if name in _names(item)]
    if hits:
        return hits
    import difflib  # for a mistake only

    known = sorted({item.model.name for item in every})
    near = difflib.get_close_matches(name.rpartition("/")[2], known, n=3, cutoff=0.75)
    cause = because(Why.NEAREST_NAMES, names=near) if near else ""
    raise SetupProblem(Why.MODEL_NOT_NEEDED, name=name, cause=cause)


def only(plan: Plan, name: str) -> Planned | Present:
    """The one needed model that a name fits. Raises SetupProblem if there is none, or several."""
    hits = named(plan, name)
    if len(hits) > 1:
        keys = [item.model.key for item in hits]
        raise SetupProblem(Why.MODELS_OF_ONE_NAME, name=name, models=keys, first=keys[0])
    return hits[0]


def _names(item: Planned | Present) -> set[str]:
    names = {item.model.key, item.model.path, item.model.name}
    return names | {item.task, f"download:{item.task}"} if isinstance(item, Planned) else names
