"""OmegaConf's trees among the settings of a checkpoint."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from omegaconf import DictConfig, ListConfig, OmegaConf

from tests.proof.readers.legit import Legit
from tests.proof.readers.made import saved


def files() -> Iterator[Legit]:
    """Yield the files."""
    family = "OmegaConf's settings"
    for turn, (name, told) in enumerate(settings().items()):
        checkpoint = {"hyper_parameters": told, "state_dict": {"x": torch.ones(1)}}
        yield saved(f"omegaconf_{name}.ckpt", family, checkpoint)
        yield saved(
            f"omegaconf_{name}_{turn % 2}.ckpt",
            family,
            checkpoint,
            4 if turn % 2 else 2,
            old=not turn % 2,
        )
    yield saved(
        "may_omegaconf_structured.ckpt",
        "may: OmegaConf with classes of others",
        {"c": OmegaConf.structured(_Lr)},
    )


def settings() -> dict[str, Any]:
    """Build trees."""
    model = OmegaConf.create(
        {
            "target": "ldm.models.diffusion.ddpm.LatentDiffusion",
            "params": {
                "linear_start": 0.00085,
                "timesteps": 1000,
                "image_size": 64,
                "scale_by_std": True,
                "unet_config": {"attention_resolutions": [4, 2, 1], "channel_mult": [1, 2, 4, 4]},
                "loss_config": None,
                "first_stage_key": "jpg",
            },
        }
    )
    read_only = OmegaConf.create({"a": {"b": 1}})
    OmegaConf.set_readonly(read_only, True)
    flags = OmegaConf.create({"a": [1]})
    OmegaConf.set_struct(flags, True)
    return {
        "model": model,
        "part": model.params.unet_config,
        "list": OmegaConf.create([1, "a", None, [2.5, True], {"x": 1}]),
        "inner_list": model.params.unet_config.attention_resolutions,
        "in_dict": {"unet": model.params, "plain": 1, "list": OmegaConf.create([1])},
        "read_only": read_only,
        "struct": flags,
        "interpolated": OmegaConf.create({"a": 1, "b": "${a}", "c": "${.a}"}),
        "missing": OmegaConf.create({"a": "???"}),
        "keys": DictConfig({1: "a", 2.5: "c"}),
        "empty": [DictConfig({}), ListConfig([])],
        "bytes": OmegaConf.create({"b": b"x"}),
        "none": DictConfig(None),
        "typed": DictConfig({"a": 1}, key_type=str, element_type=int),
        "typed_list": ListConfig([1.5], element_type=float),
        "paths": OmegaConf.create({"p": __import__("pathlib").PurePosixPath("x").as_posix()}),
    }


@dataclass
class _Lr:
    rate: float = 0.1
    steps: list[int] = field(default_factory=lambda: [1, 2])
