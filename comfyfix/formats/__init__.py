"""Formats: is a file what its name says, and safe? Each check reads little, trusts nothing.

`look.inspect` is the way in. It is imported where a file is looked at: 40 ms that loading does not
need.
"""

from __future__ import annotations

RULES = 4
"""Rises when the checks learn something, so that files which passed before are looked at again."""
