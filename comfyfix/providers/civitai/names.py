"""The names that files of Civitai have on disk, and the words that find their models.

Civitai gives a download a name of its own making: uploaders' names are kept for LoRAs and VAEs,
an embedding is called after its trigger word, everything else after model and version. So the
name in a workflow often tells the model's name, which is what Civitai's search knows.
"""

from __future__ import annotations

import re

from comfyfix.file_names import humps, queries

LENGTH = 20  # characters of a title that its file name keeps, separators not counted
KEPT = ("LORA", "LoCon", "DoRA", "VAE")
QUERIES_MAX = 2


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


def derived(
    *, kind: str, model: str, version: str, file: str, file_type: str, words: list[str]
) -> str:
    """The name that a download of a file gets; `kind` is the model's type, `words` its triggers."""
    ending = f".{file.rpartition('.')[2]}" if "." in file else ""
    if kind in KEPT or file_type == "VAE":
        return file
    if kind == "TextualInversion" and words:
        negative = "-neg" if file_type == "Negative" else ""
        return f"{words[0]}{negative}{ending}"
    inpainting = "-inpainting" if "inpainting" in version.lower() else ""
    return f"{filenamize(model)}_{filenamize(version)}{inpainting}{ending}"


def model_queries(name: str) -> list[str]:
    """Words to search model names for, the likeliest first.

    `juggernautXL_v9Lightning.safetensors` comes from a model whose name has the words
    `juggernaut` and `XL`; numbers are left out, since `V60` was `V6.0` there.
    """
    head, underscore, _ = name.rpartition(".")[0].partition("_")
    words = [word for word in humps(head) if word and not any(c.isdigit() for c in word)]
    is_compound = len(words) > 1 or bool(underscore and re.fullmatch(r"[a-z]{5,}", head))
    first = [" ".join(words)] if is_compound and words else []
    return list(dict.fromkeys([*first, *queries(name)]))[:QUERIES_MAX]
