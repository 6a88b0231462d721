"""Hosts whose addresses lead people to a page: no program gets a file from them.

Such an address is no matter of trust: to allow its host would bring a web page. What helps is a
browser, and to know where the file belongs.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

_HOSTS = (
    "1drv.ms", "1fichier.com", "4shared.com", "box.com", "disk.yandex.com", "disk.yandex.ru",
    "docs.google.com", "drive.google.com", "drive.proton.me", "dropbox.com", "filen.io",
    "gofile.io", "icedrive.net", "krakenfiles.com", "lbry.tv", "mediafire.com", "mega.co.nz",
    "mega.io", "mega.nz", "odysee.com", "onedrive.live.com", "pan.baidu.com", "pan.quark.cn",
    "pcloud.com", "pcloud.link", "pixeldrain.com", "proton.me", "sendspace.com", "sharepoint.com",
    "sync.com", "terabox.com", "we.tl", "wetransfer.com", "workupload.com", "yadi.sk",
    "zippyshare.com",
)  # fmt: skip
_GITHUB = re.compile(r"/[^/]+/[^/]+/(?P<kind>releases/tag|tree)/(?P<rest>.+)")


def is_between(host: str) -> bool:
    """Tell a host that answers a browser with a page instead of a program with a file."""
    name = host.lower().rstrip(".")
    return any(name == page or name.endswith(f".{page}") for page in _HOSTS)


def github_raw(path: str) -> str:
    """The path of a file on GitHub for that of the page which shows it; any other as it is."""
    parts = path.split("/")
    if len(parts) > 5 and parts[3] == "blob":  # noqa: PLR2004 - /owner/name/blob/revision/path
        parts[3] = "raw"
    return "/".join(parts)


def below_github_page(path: str) -> str:
    """Where the files of a release's or a folder's page on GitHub lie; empty for other pages."""
    page = _GITHUB.fullmatch(path.rstrip("/"))
    if not page:
        return ""
    start = page.start("kind")
    kind = "releases/download" if page["kind"] == "releases/tag" else "raw"
    return f"{path[:start]}{kind}/{page['rest']}"


def climbs(path: str) -> bool:
    """Tell a path with parts by which it could leave the folder that it begins with."""
    return any(part in (".", "..") for part in unquote(path).split("/")) or "%2f" in path.lower()
