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
    exact = {key: need for key, need in needs.items() if key not in loose and not need.problem}
    fetched = {_stem(need.model): need for need in reversed(exact.values())}
    result: dict[str, Need] = {}
    for key, need in needs.items():
        if key not in loose:
            result[key] = need
            continue
        hit = lookup.file(need.lead, need.model.path, need.model.folder)
        if hit:
            need.named = _elsewhere(need.model, fetched.get(_stem(need.model)), hit.name)
            need.model = Model(folder=need.model.folder, path=hit.name)
            known = exact.setdefault(need.model.key, need)
        else:
            known = fetched.setdefault(_stem(need.model), need)
        if known is need:
            result[need.model.key] = need
        else:
            known.references += need.references
    return result


def _elsewhere(model: Model, asked: Need | None, there: str) -> Model:
    """What a machine calls a model that has no file of its name: what is there tells its ending."""
    ending = there.removeprefix(endings.stem(there))
    path = asked.model.path if asked else endings.stem(model.path) + ending
    return Model(folder=model.folder, path=path)


def _stem(model: Model) -> tuple[str | None, str]:
    return model.folder, endings.stem(model.name)
