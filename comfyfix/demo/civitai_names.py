"""The names that Civitai gives downloads: its API tells them, and so does the loopback hub's."""

from __future__ import annotations

import re

LENGTH = 20  # characters of a title that its file name keeps, separators not counted
KEPT = ("LORA", "LoCon")
_WORDS = {"-inpainting": "inpainting", ".instruct-pix2pix": "instruct-pix2pix"}
_PARTS = {"Text Encoder": "_txt", "Training Data": "_trainingData"}


def filenamize(title: str) -> str:
    """Turn a title into a part of a file name as Civitai does: `V5.1 (VAE)` is `v51VAE`.

    Source: the rule that its server applies to model and version names.
    """
    text = re.sub(r"[^A-Za-z0-9]", "_", title.replace("'", ""))
    most = LENGTH + text.count("_")
    if len(text) > most:
        whole_words = text[most] == "_"
        text = text[:most]
        if not whole_words and "_" in text:
            text = text.rpartition("_")[0]
    first, *others = re.split(r"_+", text)
    return first.lower() + "".join(
        word if word.upper() == word else word.capitalize() for word in others
    )


def download_name(
    *, kind: str, model: str, version: str, file: str, file_type: str, words: list[str]
) -> str:
    """The name that a download of a file gets; `kind` is the model's type, `words` its triggers.

    Uploaders' names are kept for LoRAs and for files that are a VAE; an embedding is called after
    its trigger word, everything else after model and version.
    """
    ending = f".{file.rpartition('.')[2]}" if "." in file else ""
    if kind in KEPT or file_type == "VAE":
        return file
    if kind == "TextualInversion" and words:
        negative = "-neg" if file_type == "Negative" else ""
        return f"{words[0]}{negative}{ending}"
    title = version.replace(model, "").strip() or version
    marks = [mark for mark in _WORDS if mark in file.lower()]
    for mark in marks:
        title = re.sub(_WORDS[mark], "", title, flags=re.IGNORECASE)
    part = _PARTS.get(file_type, "")
    stem = f"{filenamize(model)}_{filenamize(title)}{''.join(marks)}{part}"
    return stem + (".zip" if file_type == "Training Data" else ending)
