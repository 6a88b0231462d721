"""Does a file that Qwen has named count, now that its provider has confirmed it?

Qwen's word is no proof: a stranger can put any file under any name, and have Qwen read of it.
So the rules of `trust` hold for its proposals as for what the search of the Hub finds, and
further ones: nobody is taken for the publisher whom he imitates, what only a stranger's model
card tells counts for nothing, and where another content of the name is known none counts. That
the repository's name has no word of it speaks against no proposal: for such Qwen is asked.
"""

from __future__ import annotations

import msgspec

from comfyfix.file_names import Words, read
from comfyfix.providers.huggingface.answers import HubItem, Listing
from comfyfix.records import Candidate, because
from comfyfix.sources.base import Doubtful, Finding, Services, Wanted
from comfyfix.sources.places import Places
from comfyfix.sources.qwen.tools import Tools
from comfyfix.sources.trust import rules as trust
from comfyfix.sources.trust.rules import Holder
from comfyfix.why import Why

OTHERS_MAX = 3  # repositories that only the full-text search knows, looked into one by one
SHOWN = 4


def judge(found: Candidate, wanted: Wanted, tools: Tools, services: Services) -> Finding:
    """Return the candidate if enough speaks for it, else why it does not count.

    Raises SourceDown when the Hub can't be asked what speaks for it.
    """
    if found.sha256 is None or found.name != wanted.model.name or wanted.likely:
        return found  # a hash speaks for itself; the other two the stage refuses
    words = read(wanted.model.name)
    if words.generic:
        return Doubtful(found, because(Why.QWEN_NAME_COMMON))
    doubted = [d.candidate for d in wanted.doubted if not trust.stands_for(d.candidate.publisher)]
    rivals = [candidate.where for candidate in doubted if candidate.sha256 != found.sha256]
    if rivals:
        return _rivalled(found, rivals)
    if not found.repo:
        return _elsewhere(found, words)
    return _of_the_hub(found, wanted, words, tools, services)


def _elsewhere(found: Candidate, words: Words) -> Finding:
    """A file of Civitai: its page must be named like it, and its name must say much."""
    points = trust.says(words)
    if points < trust.ENOUGH or not words.in_repository(found.where):
        return Doubtful(found, because(Why.QWEN_PAGE_SAYS_LITTLE))
    name = because(Why.RULE_NAME, points=f"{points:+g}")
    evidence = (*found.evidence, name, because(Why.QWEN_PAGE_NAMED))
    return msgspec.structs.replace(found, evidence=evidence)


def _rivalled(found: Candidate, places: list[str]) -> Doubtful:
    return Doubtful(found, because(Why.QWEN_ANOTHER_KNOWN, places=places[:SHOWN]))


def _of_the_hub(
    found: Candidate, wanted: Wanted, words: Words, tools: Tools, services: Services
) -> Finding:
    if "/" in found.repo and trust.stands_for(found.publisher):
        return trust.imitation(found)
    if stranger := tools.only_told_by(found.repo):
        return Doubtful(found, because(Why.QWEN_CARD_ONLY, repo=stranger))
    own = services.hub.repository(found.repo)
    if own is None:
        return Doubtful(found, because(Why.QWEN_HUB_SILENT))
    repos = services.hub.full_text(wanted.model.name)
    places = Places(wanted, services, words)
    places.add([own, *tools.listings, *_unlisted(repos or [], own, tools, services)])
    contents = places.contents()
    others = [holders for digest, holders in contents.items() if digest != found.sha256]
    if rivals := [repo for holders in others if (repo := _honest_place(holders))]:
        return _rivalled(found, rivals)
    holders = contents.get(found.sha256 or "") or [_holder(found, own)]
    alone = repos is not None and set(repos) <= {holder.listing.repo for holder in holders}
    points, rules = trust.weigh(words, holders, wanted.model.folder, alone=alone)
    if not _is_enough(points, words, holders, wanted.model.folder):
        why = Why.QWEN_DOUBTED if rules else Why.QWEN_UNSUPPORTED
        return Doubtful(found, because(why, rules=rules))
    return msgspec.structs.replace(
        found,
        evidence=(*found.evidence, *rules),
        popularity=own.downloads,
        publisher=own.owner,
        licence=own.licence,
        base_model=own.base_model,
    )


def _is_enough(points: float, words: Words, holders: list[Holder], folder: str | None) -> bool:
    """Tell whether a lone proposal counts: by its name, or by much else; never from elsewhere."""
    if all(trust.fit(holder.path, folder) < 0 for holder in holders):
        return False  # it lies among files of another kind
    by_name = trust.says(words) >= trust.ENOUGH and points + trust.STRANGE >= trust.ENOUGH
    return by_name or points >= trust.ENOUGH + 1


def _honest_place(holders: list[Holder]) -> str:
    """A repository with this content whose publisher imitates nobody; empty if there is none."""
    repos = (h.listing.repo for h in holders if not trust.stands_for(h.listing.owner))
    return next(repos, "")


def _unlisted(repos: list[str], own: Listing, tools: Tools, services: Services) -> list[Listing]:
    listed = {own.repo, *(listing.repo for listing in tools.listings)}
    unlisted = [repo for repo in repos if repo not in listed][:OTHERS_MAX]
    return [listing for repo in unlisted if (listing := services.hub.repository(repo))]


def _holder(found: Candidate, listing: Listing) -> Holder:
    path = found.url.partition(f"/resolve/{found.commit}/")[2]
    return Holder(listing, path, HubItem(size=found.size, sha256=found.sha256))
