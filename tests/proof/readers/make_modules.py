"""Whole modules of torch, its optimisers' states and schedulers'."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from tests.proof.readers.legit import Legit
from tests.proof.readers.made import saved


def files() -> Iterator[Legit]:
    """Yield the files."""
    yield from _modules()
    yield from _optimisers()


def whole() -> dict[str, nn.Module]:
    """Build modules of torch."""
    layer = nn.TransformerEncoderLayer
    return {
        "linear": nn.Linear(2, 3),
        "conv": nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
        "conv1d": nn.Sequential(nn.Conv1d(1, 2, 1), nn.AvgPool1d(2), nn.ConvTranspose1d(2, 1, 1)),
        "conv3d": nn.Sequential(nn.Conv3d(1, 1, 1), nn.BatchNorm3d(1)),
        "upsampler": nn.Sequential(nn.Conv2d(1, 4, 3), nn.PixelShuffle(2), nn.LeakyReLU(0.2)),
        "upsample": nn.Sequential(nn.Upsample(scale_factor=2), nn.ConvTranspose2d(1, 1, 2)),
        "norms": nn.ModuleList(
            [
                nn.GroupNorm(1, 2),
                nn.LayerNorm(2),
                nn.BatchNorm1d(2),
                nn.InstanceNorm2d(2),
                nn.RMSNorm(2),
            ]
        ),
        "dict": nn.ModuleDict({"a": nn.Identity(), "b": nn.Dropout(0.1)}),
        "activations": nn.ModuleList(
            [
                nn.ReLU(),
                nn.GELU(),
                nn.SiLU(),
                nn.Mish(),
                nn.PReLU(),
                nn.ELU(),
                nn.Sigmoid(),
                nn.Tanh(),
                nn.Softmax(-1),
                nn.Hardswish(),
                nn.GLU(),
                nn.Softplus(),
            ]
        ),
        "attention": nn.MultiheadAttention(4, 2),
        "encoder_layer": layer(4, 2, 8),
        "encoder_gelu": layer(4, 2, 8, activation="gelu", batch_first=True, norm_first=True),
        "encoder_callable": layer(4, 2, 8, activation=functional.gelu),
        "encoder_silu": layer(4, 2, 8, activation=functional.silu),
        "encoder": nn.TransformerEncoder(layer(4, 2, 8), 2, enable_nested_tensor=False),
        "embedding": nn.Sequential(nn.Embedding(4, 2), nn.EmbeddingBag(4, 2)),
        "embedding_padding": nn.Embedding(4, 2, padding_idx=0),
        "parameter_list": nn.ParameterList(
            [nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(1))]
        ),
        "parameter_dict": nn.ParameterDict({"a": nn.Parameter(torch.ones(2)), "b": torch.ones(1)}),
        "padding": nn.Sequential(
            nn.ReflectionPad2d(1), nn.ZeroPad2d(1), nn.ReplicationPad2d(1), nn.ConstantPad2d(1, 0.5)
        ),
        "pooling": nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.AdaptiveMaxPool2d(1), nn.AvgPool2d(2)),
        "losses": nn.ModuleList(
            [nn.BCEWithLogitsLoss(), nn.CrossEntropyLoss(), nn.MSELoss(), nn.L1Loss()]
        ),
        "unfold": nn.Sequential(nn.Unfold(2), nn.Fold((2, 2), 2)),
        "buffers": _buffered(),
        "nested": nn.Sequential(nn.Sequential(nn.Linear(1, 1), nn.Sequential(nn.Identity()))),
        "shared": _shared(),
        "no_grad": nn.Linear(1, 1).requires_grad_(False).eval(),
        "half": nn.Conv2d(1, 1, 1).half(),
        "lstm": nn.LSTM(2, 3),
        "gru": nn.GRU(2, 3, bidirectional=True),
        "rnn": nn.RNN(1, 1),
        "cell": nn.LSTMCell(1, 1),
        "bilinear": nn.Bilinear(1, 1, 1),
        "decoder": nn.TransformerDecoderLayer(4, 2, 8),
        "transformer": nn.Transformer(4, 2, 1, 1, 8),
    }


def _buffered() -> nn.Module:
    module = nn.Identity()
    module.register_buffer("scale", torch.ones(2))
    module.register_buffer("hidden", torch.ones(1), persistent=False)
    module.register_buffer("none", None)
    return module


def _shared() -> nn.Module:
    one = nn.Linear(1, 1)
    return nn.Sequential(one, nn.ReLU(), one)


def _modules() -> Iterator[Legit]:
    family = "whole modules of torch"
    for turn, (name, module) in enumerate(whole().items()):
        yield saved(f"module_{name}.pt", family, module)
        if turn % 3 == 0:
            yield saved(f"module_{name}_old.pth", family, module, old=True)
        if turn % 5 == 0:
            yield saved(f"module_{name}_p4.pt", family, {"model": module, "epoch": 1}, 4)
    yield saved("module_in_dict.ckpt", family, {"model": nn.Linear(1, 1), "ema": nn.Linear(1, 1)})
    hooked = nn.utils.weight_norm(nn.Linear(1, 1))
    yield saved("may_weight_norm.pt", "may: modules with hooks", hooked)


def _optimisers() -> Iterator[Legit]:
    family = "states of optimisers and schedulers"
    optim = torch.optim
    for name, kind, told in (
        ("sgd", optim.SGD, {"momentum": 0.9}),
        ("adam", optim.Adam, {}),
        ("adamw", optim.AdamW, {"amsgrad": True}),
        ("lbfgs", optim.LBFGS, {}),
        ("rmsprop", optim.RMSprop, {}),
    ):
        module = nn.Linear(2, 1)
        optimiser = kind(module.parameters(), lr=0.1, **told)

        def closure(module: nn.Module = module) -> Any:
            loss = module(torch.ones(1, 2)).sum()
            loss.backward()
            return loss

        optimiser.step(closure)
        told_state = {"model": module.state_dict(), "optimizer": optimiser.state_dict(), "epoch": 2}
        yield saved(f"optimiser_{name}.pt", family, told_state)
        yield saved(f"optimiser_{name}_old.pth", family, told_state, old=True)
    optimiser = optim.SGD(nn.Linear(1, 1).parameters(), lr=0.1)
    schedulers: dict[str, Any] = {
        "step": optim.lr_scheduler.StepLR(optimiser, 2),
        "multi": optim.lr_scheduler.MultiStepLR(optimiser, [2, 5, 5]),
        "cosine": optim.lr_scheduler.CosineAnnealingLR(optimiser, 10),
        "plateau": optim.lr_scheduler.ReduceLROnPlateau(optimiser),
        "lambda": optim.lr_scheduler.LambdaLR(optimiser, lambda epoch: 0.5**epoch),
    }
    for name, scheduler in schedulers.items():
        yield saved(f"scheduler_{name}.pt", family, {"lr_scheduler": scheduler.state_dict()})
    scaler = torch.amp.GradScaler("cpu")
    yield saved("grad_scaler.pt", family, {"scaler": scaler.state_dict(), "x": torch.ones(1)})
