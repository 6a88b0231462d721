"""Licences: the words that providers have for them, and one name for each.

An SPDX identifier where SPDX has one, else the provider's own word. Sources: the identifiers that
Hugging Face documents for model cards, OpenModelDB's field `license` (SPDX), and what Civitai tells
of commercial use, which is no licence but the only word that it has.
"""

from __future__ import annotations

UNKNOWN = "unknown"
"""What no provider tells the licence of; also Hugging Face's `unknown` and `other`."""
_NONE = frozenset({"", "unknown", "other", "none", "null"})
_SPDX = {
    spdx.lower(): spdx
    for spdx in (
        "0BSD", "AFL-3.0", "AGPL-3.0-only", "AGPL-3.0-or-later", "Apache-2.0", "Artistic-2.0",
        "BSD-2-Clause", "BSD-3-Clause", "BSD-3-Clause-Clear", "BSL-1.0", "CC0-1.0", "CC-BY-2.0",
        "CC-BY-2.5", "CC-BY-3.0", "CC-BY-4.0", "CC-BY-NC-2.0", "CC-BY-NC-3.0", "CC-BY-NC-4.0",
        "CC-BY-NC-ND-3.0", "CC-BY-NC-ND-4.0", "CC-BY-NC-SA-2.0", "CC-BY-NC-SA-3.0",
        "CC-BY-NC-SA-4.0", "CC-BY-ND-4.0", "CC-BY-SA-3.0", "CC-BY-SA-4.0", "CDLA-Permissive-1.0",
        "CDLA-Permissive-2.0", "CDLA-Sharing-1.0", "C-UDA-1.0", "ECL-2.0", "EPL-1.0", "EPL-2.0",
        "etalab-2.0", "EUPL-1.1", "EUPL-1.2", "GFDL-1.3-or-later", "GPL-2.0-only",
        "GPL-2.0-or-later", "GPL-3.0-only", "GPL-3.0-or-later", "ISC", "LGPL-2.1-only",
        "LGPL-2.1-or-later", "LGPL-3.0-only", "LGPL-3.0-or-later", "LGPLLR", "LPPL-1.3c", "MIT",
        "MPL-2.0", "MS-PL", "MulanPSL-2.0", "NCSA", "ODbL-1.0", "ODC-By-1.0", "OFL-1.1", "OSL-3.0",
        "PDDL-1.0", "PostgreSQL", "Unlicense", "WTFPL", "Zlib",
    )
}  # fmt: skip
_SAME = {
    "agpl-3.0": "AGPL-3.0-only", "gpl-2.0": "GPL-2.0-only", "gpl-3.0": "GPL-3.0-only",
    "lgpl-2.1": "LGPL-2.1-only", "lgpl-3.0": "LGPL-3.0-only", "gfdl": "GFDL-1.3-or-later",
    "apache 2.0": "Apache-2.0", "apache2": "Apache-2.0", "apache license 2.0": "Apache-2.0",
    "pddl": "PDDL-1.0", "odbl": "ODbL-1.0", "odc-by": "ODC-By-1.0",
    "mit license": "MIT", "cc0": "CC0-1.0", "c-uda": "C-UDA-1.0", "lgpl-lr": "LGPLLR",
}  # fmt: skip


def named(word: str) -> str:
    """The one name of a licence, whichever word a provider has for it."""
    plain = " ".join(word.split())
    low = plain.lower()
    if low in _NONE:
        return UNKNOWN
    return _SPDX.get(low) or _SAME.get(low) or plain


def spdx(word: str) -> str | None:
    """The SPDX identifier of a licence; None where SPDX has none."""
    return _SPDX.get(named(word).lower())


def same(one: str, other: str) -> bool:
    """Tell whether two words are of one licence, in whatever case they are written."""
    return named(one).lower() == named(other).lower()
