"""Checkpoints of Lightning and of other trainers."""

from __future__ import annotations

import argparse
import datetime
import pathlib
from collections.abc import Iterator
from typing import Any

import torch
from lightning.fabric.utilities.data import AttributeDict as FabricDict
from lightning.pytorch import callbacks as unified
from pytorch_lightning import callbacks as classic
from pytorch_lightning.utilities.parsing import AttributeDict
from torch import nn

from tests.proof.readers.legit import Legit
from tests.proof.readers.made import saved

FAMILY = "Lightning's and other trainers' checkpoints"


def files() -> Iterator[Legit]:
    """Yield the files."""
    checkpoints = {
        "plain": _checkpoint({}),
        "hyper": _checkpoint({}, hyper_parameters={"lr": 0.1, "name": "x", "sizes": [1, 2]}),
        "attributes": _checkpoint(
            {}, hyper_parameters=AttributeDict(lr=0.1, inner=AttributeDict(a=1))
        ),
        "fabric": _checkpoint(
            {}, hyper_parameters=FabricDict(lr=0.1, deep={"x": FabricDict(b=[1])})
        ),
        "named": _checkpoint(
            {}, hyper_parameters=argparse.Namespace(lr=0.1), hparams_type="Namespace"
        ),
        "classes": _checkpoint(
            {
                classic.ModelCheckpoint: _best(),
                classic.EarlyStopping: {"wait_count": 0, "best_score": torch.tensor(0.5)},
            }
        ),
        "unified_classes": _checkpoint(
            {
                unified.ModelCheckpoint: _best(),
                unified.EarlyStopping: {"wait_count": 1, "patience": 3},
            }
        ),
        "texts": _checkpoint(
            {
                "ModelCheckpoint{'monitor': 'val', 'mode': 'min'}": _best(),
                "LearningRateMonitor": {},
            }
        ),
        "one_class": _checkpoint(
            {
                classic.ModelCheckpoint: {
                    **_best(),
                    "best_model_path": pathlib.PurePosixPath("x").as_posix(),
                }
            }
        ),
    }
    for turn, (name, told) in enumerate(checkpoints.items()):
        yield saved(f"lightning_{name}.ckpt", FAMILY, told)
        yield saved(
            f"lightning_{name}_{turn % 2}.ckpt",
            FAMILY,
            told,
            4 if turn % 2 else 2,
            old=not turn % 2,
        )
    yield ("lightning_trainer.ckpt", FAMILY, "torch.load", _trained)
    others: dict[str, Any] = {
        "detectron": {"model": _state(), "__author__": "x", "matching_heuristics": True},
        "fairseq": {
            "args": argparse.Namespace(arch="x", lr=[0.1]),
            "model": _state(),
            "extra_state": {"epoch": 2},
        },
        "mmcv": {
            "meta": {"epoch": 3, "time": "today", "CLASSES": ("a", "b")},
            "state_dict": _state(),
        },
        "deepspeed": {
            "module": _state(),
            "ds_version": "0.9",
            "param_shapes": [torch.Size([2, 2])],
        },
        "accelerate": {"random_states": [torch.get_rng_state()], "step": 1},
        "webui": {"name": "x", "step": 3, "optimizer_state_dict": _adam(), "hash": "abc"},
        "whisper": {"dims": {"n_mels": 80}, "model_state_dict": _state()},
        "timm": {
            "state_dict": _state(),
            "args": argparse.Namespace(epochs=3, output=pathlib.PurePosixPath("o")),
            "metric": 0.5,
        },
        "logged": {
            "state": _state(),
            "when": datetime.datetime(2020, 1, 2),
            "took": datetime.timedelta(hours=2),
        },
        "ema": {"model_ema": _state(), "num_updates": torch.tensor(5), "decay": 0.999},
        "rvc": {
            "weight": {k: v.half() for k, v in _state().items()},
            "config": [1025, 32, [3, 7], [[1, 3, 5]] * 3],
            "info": "20epoch",
            "sr": "40k",
            "f0": 1,
            "version": "v2",
        },
    }
    for turn, (name, told) in enumerate(others.items()):
        yield saved(
            f"trainer_{name}.{('pth', 'pt', 'bin')[turn % 3]}", FAMILY, told, old=bool(turn % 2)
        )


def _state() -> dict[str, Any]:
    return dict(nn.Linear(2, 2).state_dict())


def _adam() -> dict[str, Any]:
    module = nn.Linear(2, 1)
    optimiser = torch.optim.AdamW(module.parameters())
    module(torch.ones(1, 2)).sum().backward()
    optimiser.step()
    told: dict[str, Any] = optimiser.state_dict()
    return told


def _best() -> dict[str, Any]:
    return {
        "monitor": "val/loss",
        "best_model_score": torch.tensor(0.5),
        "best_model_path": "/x/e.ckpt",
        "current_score": torch.tensor(0.5),
        "dirpath": "/x",
        "best_k_models": {"/x/e.ckpt": torch.tensor(0.5)},
        "kth_value": torch.tensor(0.5),
        "last_model_path": "",
    }


def _checkpoint(told: dict[Any, Any], **more: Any) -> dict[str, Any]:
    progress = {"total": {"ready": 1, "completed": 1}, "current": {"ready": 1, "completed": 1}}
    return {
        "epoch": 6,
        "global_step": 470_000,
        "pytorch-lightning_version": "1.4.2",
        "state_dict": _state(),
        "callbacks": told,
        "optimizer_states": [_adam()],
        "lr_schedulers": [{"base_lrs": [0.1], "last_epoch": 3}],
        "loops": {"fit_loop": {"state_dict": {}, "epoch_progress": progress}},
        **more,
    }


def _trained(path: pathlib.Path) -> None:
    """Let Lightning itself write one."""
    import logging

    import lightning.pytorch as pl

    class Small(pl.LightningModule):  # type: ignore[misc] # not known to mypy
        def __init__(self, **_: Any) -> None:
            super().__init__()
            self.save_hyperparameters()
            self.layer = nn.Linear(1, 1)

        def training_step(self, batch: Any, _: int) -> Any:
            return self.layer(batch).sum()

        def configure_optimizers(self) -> Any:
            optimiser = torch.optim.Adam(self.parameters(), lr=0.1)
            return [optimiser], [torch.optim.lr_scheduler.StepLR(optimiser, 1)]

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    keep = unified.ModelCheckpoint(dirpath=path.parent / "none", save_top_k=0)
    trainer = pl.Trainer(
        max_epochs=1,
        callbacks=[keep],
        logger=False,
        accelerator="cpu",
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(Small(lr=0.1, sizes=(1, 2)), torch.utils.data.DataLoader(torch.ones(2, 1)))
    trainer.save_checkpoint(path)
