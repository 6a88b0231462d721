"""The talk with a script that runs: what it tells is kept and passed on, what it asks is answered.

The script runs here, or on a worker of a cluster: then its questions are answered there, and what
it tells comes here.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from comfyfix.disk.files import printable
from comfyfix.formats import look
from comfyfix.mirrors.handing import Handed
from comfyfix.nearby.lending import Lender
from comfyfix.records import Reason, Record
from comfyfix.script import channel
from comfyfix.script.channel import Message
from comfyfix.script.inside import NOT_TOLD, Inside
from comfyfix.settings.manifest import PicklePolicy
from comfyfix.stages.download.slots import Slot

Hear = Callable[[str | Message], None]
"""Takes what a script says: a line for people, or something that it tells."""
BEGUN = "begun"
"""What a worker tells before it runs a script: its own name."""
LOOKED = "looked"
"""What a worker tells of a file that it has looked at for a script: its identity there."""
_NO_MIRRORS = Handed()


@dataclass(slots=True)
class Talk:
    """What a script tells while it runs, and what it is answered.

    `paths` are the files that it may ask about, and `words` say to people why one of them is not
    what it should be. `lender` knows where the bytes of `destination` may lie near by: the script
    asks it first, and then the `mirrors`.
    """

    paths: frozenset[str]
    hear: Hear
    slot: Slot
    pickle: PicklePolicy
    words: Callable[[Reason], str]
    destination: str = ""
    lender: Lender | None = None
    mirrors: Handed = _NO_MIRRORS
    word: str = field(default_factory=channel.new_word)
    last: dict[str, Message] = field(default_factory=dict)
    asked: list[tuple[int, ...]] = field(default_factory=list)
    inside: Inside = field(default_factory=Inside)

    @classmethod
    def about(
        cls,
        record: Record,
        hear: Hear,
        slot: Slot,
        *,
        pickle: PicklePolicy,
        words: Callable[[Reason], str],
        lender: Lender | None = None,
        mirrors: Handed = _NO_MIRRORS,
    ) -> Talk:
        """The talk with the script of a record."""
        paths, place = paths_of(record), record.destination
        return cls(paths, hear, slot, pickle, words, place, lender, mirrors)

    def keep(self, line: str) -> None:
        """Take in a line as the script has printed it."""
        told = channel.read(line, self.word)
        self.take(self.mirrors.without_secrets(line) if told is None else told)

    def take(self, said: str | Message) -> None:
        """Pass on what was said, and remember what it tells."""
        if isinstance(said, Message) and said.kind == LOOKED:
            self.asked.append(tuple(map(int, said.fields)))
            return
        self.hear(said)
        if isinstance(said, Message):
            self.last[said.kind] = said
            if said.kind == "waiting":
                self.slot.leave()

    @property
    def mirror(self) -> str:
        """The mirror that the bytes are from; empty where they are from none."""
        told = self.last.get("mirror")
        place, came_of_it = told.fields if told else ("", "")
        mirror = self.mirrors.of(place) if came_of_it == "brought" else None
        return mirror.label if mirror else ""

    def answer(self, line: str) -> str | None:
        """Answer a question; None for a line that is none."""
        question = channel.read(line, self.word)
        if question is None:
            return None
        match question.kind, question.fields:
            case "waited", ():
                self.slot.take()
                return "0"
            case "near", (part, how):
                return self._lend(part, how)
            case "where", (pid,):
                return self.inside.where(pid)
            case "room", ():
                return self.inside.room()
            case "settle", (part,):
                return self._settle(part)
            case "look", (path,):
                self._looked_at(identity(Path(path)))
                return self._look(path, Path(path))
        return None

    def has_asked(self, path: Path) -> bool:
        """Tell whether a file is one that was looked at.

        Two machines number their disks differently, so what a worker tells is without the disk.
        """
        now = identity(path)
        return bool(now) and (now in self.asked or now[1:] in self.asked)

    def _looked_at(self, file: tuple[int, ...]) -> None:
        """Remember a file, for its receipt; where this is a worker, who makes that is elsewhere."""
        self.asked.append(file)
        self.hear(Message(LOOKED, tuple(map(str, file[1:]))))

    def _settle(self, part: str) -> str:
        """Answer the sha256 of a part that is on the disk, and what is said of its form."""
        try:
            with self.inside.settled(part.rpartition("/")[2]) as (digest, path, info):
                self._looked_at(_identity_of(info))
                return f"{digest} {self._look(part, path)}"
        except OSError:
            return NOT_TOLD

    def _look(self, asked: str, path: Path) -> str:
        """Answer 0, or 4 (unsafe) or 5 (damaged, or of another kind) with the reason.

        `path` is where the file is found that the script has asked about.
        """
        # A part of a file, or one that was put aside, lies beside it.
        name, dot, _ = asked.rpartition(".")
        while dot and name not in self.paths:
            name, dot, _ = name.rpartition(".")
        if not dot or asked in self.paths:
            return "1"
        try:
            shown = name.rpartition("/")[2]
            flaw = look.inspect(path, name=shown, look_inside=self.pickle != "allow")
        except OSError:
            return "1"
        if flaw is None:
            return "0"
        return f"{4 if flaw.kind == 'unsafe' else 5} {printable(self.words(flaw.reason), 300)}"

    def _lend(self, part: str, how: str) -> str:
        if self.lender is None or not part.startswith(f"{self.destination}."):
            return "1"
        return self.lender.answer(Path(part), how)


def paths_of(record: Record) -> frozenset[str]:
    """Every name by which the script of a record may call its files."""
    folder = len(record.folder)
    return frozenset(
        f"{place}{member.destination[folder:]}"
        for place in record.places
        for member in record.members
    )


def identity(path: Path) -> tuple[int, ...]:
    """What stays as it is when a file gets its name; the disk first."""
    try:
        return _identity_of(path.stat())
    except OSError:
        return ()


def _identity_of(info: os.stat_result) -> tuple[int, ...]:
    return info.st_dev, info.st_ino, info.st_size, info.st_mtime_ns
