"""The workflow as a source: the URLs that it embeds, and those of `models:` in the manifest.

Here, and only here, the file may have another name at its source than in ComfyUI: the workflow
or the user says that this URL is meant.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from http import HTTPStatus

from comfyfix.comfyui.references.hints import file_name
from comfyfix.errors import HostRefused
from comfyfix.loose_json import is_size
from comfyfix.net.urls.civitai_address import CivitaiFile
from comfyfix.net.urls.hosts import CIVITAI, HUGGINGFACE, DirectFile, read_folder, read_url
from comfyfix.net.urls.hub_address import HubFile, HubFolder, hub_path, hub_repo
from comfyfix.net.urls.rules import broken_rule
from comfyfix.records import Candidate, Hint, Reason, Rejected, because
from comfyfix.settings.overrides import Override
from comfyfix.sources import civitai, directories, hub_files
from comfyfix.sources.base import Finding, Services, Wanted, logged, rejected
from comfyfix.why import Why

NAME = "workflow"
DECISIVE = True


def find(wanted: Wanted, services: Services) -> Iterator[Finding]:
    """Yield what the embedded URLs lead to, those that end in the model's name first."""
    name = wanted.model.name
    hints = _hints(wanted)
    if not wanted.is_directory:
        hints.sort(key=lambda hint: not hint.url.partition("?")[0].endswith(name))
    by_user = bool(wanted.override and wanted.override.names_a_place)
    for hint in hints:
        if wanted.is_directory:
            finding = confirm_folder(hint, NAME, wanted, services, by_user=by_user)
        else:
            finding = confirm_url(hint, NAME, services)
        services.log_search(wanted, NAME, hint.url, logged(finding))
        yield finding


def confirm_folder(
    hint: Hint, source: str, wanted: Wanted, services: Services, *, by_user: bool
) -> Finding:
    """Ask the Hub what the folder that a URL names holds. Raises SourceDown."""
    try:
        folder = read_folder(hint.url, services.manifest.endpoints)
    except HostRefused as refusal:
        return Rejected(source=source, where=hint.url, reason=broken_rule(refusal))
    if folder is None:
        return rejected(source, hint.url, Why.NO_FOLDER_OF_HUB)
    evidence = _url_told(source, hint)
    return directories.confirm(folder, source, wanted, services, evidence, by_user=by_user)


def confirm_url(hint: Hint, source: str, services: Services) -> Finding:
    """Ask the provider of a URL about it. Raises SourceDown."""
    try:
        target = read_url(
            hint.url, services.manifest.endpoints, services.manifest.download.allow_hosts
        )
    except HostRefused as refusal:
        return Rejected(source=source, where=hint.url, reason=broken_rule(refusal))
    if isinstance(target, HubFile):
        return hub_files.confirm(target, source, services, evidence=_url_told(source, hint))
    if isinstance(target, CivitaiFile):
        return civitai.confirm(target, file_name(hint), source, services, hint.sha256)
    return _confirm_direct(target, hint, source, services)


def _confirm_direct(target: DirectFile, hint: Hint, source: str, services: Services) -> Finding:
    try:
        answer = services.web.probe(target.url)
    except HostRefused as refusal:
        return Rejected(source=source, where=target.url, reason=broken_rule(refusal))
    length = answer.headers.get("content-length", "")
    size = int(length) if re.fullmatch(r"[0-9]{1,18}", length) else None
    if answer.status != HTTPStatus.OK or not is_size(size):
        return rejected(source, target.url, Why.ANSWERS_STATUS, status=answer.status)
    if answer.headers.get("content-type", "").startswith("text/html"):
        return rejected(source, target.url, Why.WEB_PAGE)
    return Candidate(
        source=source,
        where=target.url,
        name=target.name,
        url=target.url,
        size=size,
        sha256=hint.sha256,
        evidence=(_url_told(source, hint),),
    )


def _url_told(source: str, hint: Hint) -> Reason:
    return because(Why.URL_TOLD, source=source, url=hint.url)


def address(override: Override) -> str:
    """Return the place that the user names for a model as one address; empty if there is none."""
    if override.url:
        return override.url
    if override.model_version_id:
        return CIVITAI + CivitaiFile(override.model_version_id, override.file_id).download_path
    if override.repo and not override.path:
        return HUGGINGFACE + HubFolder(hub_repo(override.repo)).tree_path()
    if override.repo and override.path:
        file = HubFile(hub_repo(override.repo), "main", hub_path(override.path))
        return HUGGINGFACE + file.resolve_path()
    return ""


def _hints(wanted: Wanted) -> list[Hint]:
    override = wanted.override
    place = address(override) if override else ""
    if override and override.repo and wanted.is_directory:
        place = HUGGINGFACE + HubFolder(override.repo, "main", override.path or "").tree_path()
    if override is None or not place:
        return list(wanted.hints)
    return [Hint(name=wanted.model.name, url=place, sha256=override.digest)]
