"""What is known of directories and sets: how a loader reads one, and the files that it has."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Reads(StrEnum):
    """How a loader reads a directory, as its source has it."""

    ANY = "any"  # no rule is known: what is found is for the user to choose from
    TRANSFORMERS = "transformers"  # from_pretrained of transformers: language, vision, captions
    PIPELINE = "pipeline"  # from_pretrained of a diffusers pipeline: a folder for each component
    COMPONENT = "component"  # one component of diffusers by itself: a ControlNet, a VAE
    CHECKPOINT = "checkpoint"  # ComfyUI's DiffusersLoader: UNet, VAE and text encoders alone
    NUNCHAKU = "nunchaku"  # the two halves of a quantized transformer
    ADAPTER = "adapter"  # a LoRA as peft saves it
    GGUF = "gguf"  # one quantization, whole, and the projector of one that sees
    ONNX = "onnx"  # one network with the data beside it
    NAMED = "named"  # just the files that are asked for, all in one folder
    TOKENIZER = "tokenizer"  # what turns text into numbers, without weights
    SET = "set"  # the shards that one file belongs to, and what lies beside them


class FileFact(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One file of a directory or a set, as its provider tells it.

    `path` is relative to the folder of the model, with forward slashes; `size` in bytes. `blob` is
    git's id of the content, for small files of which no sha256 is published; with neither of the
    two nothing shows that the file is the one meant.
    """

    path: str
    url: str
    size: int
    sha256: str | None = None
    blob: str = ""

    @property
    def content(self) -> str:
        """What tells the content from others, as far as the provider does."""
        return self.sha256 or self.blob or f"{self.size} bytes"
