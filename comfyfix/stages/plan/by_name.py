"""By name: what nodes find in any subfolder is joined to the file that is there or is fetched.

Such a node never needs a second file of the name.
"""

from __future__ import annotations

from collections.abc import Mapping

from comfyfix import endings
from comfyfix.comfyui.references.lookup import Lookup
from comfyfix.records import Model
from comfyfix.stages.needs.join import Need


def settled(needs: Mapping[str, Need], lookup: Lookup) -> dict[str, Need]:
    """The same needs, each file once: with those that ask by name joined to what they find."""
    loose = {key for key, need in needs.items() if not need.problem and need.lead.by_name}
    if not loose:
        return dict(needs)
    by_path = {key: need for key, need in needs.items() if key not in loose and not need.problem}
    by_stem = {_stem(need.model): need for need in reversed(by_path.values())}
    result: dict[str, Need] = {}
    for key, need in needs.items():
        if key not in loose:
            result[key] = need
            continue
        hit = lookup.file(need.lead, need.model.path, need.model.folder)
        if hit:
            need.named = _elsewhere(need.model, by_stem.get(_stem(need.model)), hit.name)
            need.model = Model(folder=need.model.folder, path=hit.name)
            first = by_path.setdefault(need.model.key, need)
        else:
            first = by_stem.setdefault(_stem(need.model), need)
        if first is need:
            result[need.model.key] = need
        else:
            first.references += need.references
    return result


def _elsewhere(model: Model, by_path: Need | None, there: str) -> Model:
    """What a machine calls a model that has no file of its name: what is there tells its ending."""
    ending = there.removeprefix(endings.stem(there))
    path = by_path.model.path if by_path else endings.stem(model.path) + ending
    return Model(folder=model.folder, path=path)


def _stem(model: Model) -> tuple[str | None, str]:
    return model.folder, endings.stem(model.name)
