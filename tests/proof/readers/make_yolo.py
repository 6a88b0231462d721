"""ultralytics' detectors: whole modules, as its trainer leaves them."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from copy import deepcopy
from types import MethodType
from typing import Any

import torch
from ultralytics import __version__
from ultralytics.nn import tasks
from ultralytics.nn.modules import C2f, Conv, Detect
from ultralytics.utils import DEFAULT_CFG, DEFAULT_CFG_DICT, IterableSimpleNamespace

from tests.proof.readers.legit import Legit
from tests.proof.readers.made import saved

FAMILY = "ultralytics' detectors"
KINDS: dict[str, tuple[Callable[..., Any], str]] = {
    "v8": (tasks.DetectionModel, "yolov8n.yaml"),
    "v3": (tasks.DetectionModel, "yolov3-tiny.yaml"),
    "v5": (tasks.DetectionModel, "yolov5n.yaml"),
    "v6": (tasks.DetectionModel, "yolov6n.yaml"),
    "v9": (tasks.DetectionModel, "yolov9t.yaml"),
    "v9c": (tasks.DetectionModel, "yolov9c.yaml"),
    "v9e": (tasks.DetectionModel, "yolov9e.yaml"),
    "v10": (tasks.DetectionModel, "yolov10n.yaml"),
    "v11": (tasks.DetectionModel, "yolo11n.yaml"),
    "v12": (tasks.DetectionModel, "yolo12n.yaml"),
    "v26": (tasks.DetectionModel, "yolo26n.yaml"),
    "ghost": (tasks.DetectionModel, "yolov8n-ghost.yaml"),
    "p2": (tasks.DetectionModel, "yolov8n-p2.yaml"),
    "segment": (tasks.SegmentationModel, "yolov8n-seg.yaml"),
    "segment11": (tasks.SegmentationModel, "yolo11n-seg.yaml"),
    "pose": (tasks.PoseModel, "yolov8n-pose.yaml"),
    "pose11": (tasks.PoseModel, "yolo11n-pose.yaml"),
    "obb": (tasks.OBBModel, "yolov8n-obb.yaml"),
    "obb11": (tasks.OBBModel, "yolo11n-obb.yaml"),
    "classify": (tasks.ClassificationModel, "yolov8n-cls.yaml"),
    "classify11": (tasks.ClassificationModel, "yolo11n-cls.yaml"),
    "world": (tasks.WorldModel, "yolov8s-world.yaml"),
    "worldv2": (tasks.WorldModel, "yolov8s-worldv2.yaml"),
    "rtdetr": (tasks.RTDETRDetectionModel, "rtdetr-l.yaml"),
    "rtdetr_x": (tasks.RTDETRDetectionModel, "rtdetr-resnet50.yaml"),
    "yoloe": (tasks.YOLOEModel, "yoloe-11s.yaml"),
    "yoloe_seg": (tasks.YOLOESegModel, "yoloe-11s-seg.yaml"),
}

WIDTHS = {"yolo12": 0.25, "world": 0.25, "yoloe": 0.25, "rtdetr": 0.0625}
LARGE = 20_000


def files() -> Iterator[Legit]:
    """Yield the files."""
    for turn, (name, (kind, settings)) in enumerate(KINDS.items()):
        try:
            model = _built(kind, settings)
        except Exception as error:
            print(f"no model {settings}: {error}")
            continue
        yield saved(f"yolo_{name}.pt", FAMILY, _checkpoint(model))
        if turn % 4 == 0:
            yield saved(f"yolo_{name}_old.pt", FAMILY, _checkpoint(model), old=True)
        if turn % 6 == 0:
            yield saved(f"yolo_{name}_module.pth", FAMILY, model)
    yield from _variants()


def _built(kind: Callable[..., Any], settings: str) -> Any:
    told = tasks.yaml_model_load(settings)
    told["nc"] = 2
    width = next((w for part, w in WIDTHS.items() if part in settings), 0.0625)
    for scale in told.get("scales", {}):
        told["scales"][scale] = [0.15, width, 1024 * width]
    model = kind(told, ch=3, verbose=False)
    _thin(model)
    model.names = {0: "face", 1: "hand"}
    model.args = dict(DEFAULT_CFG_DICT)
    model.nc = 2
    return model


def _thin(model: Any) -> None:
    """Let one number stand for all of a large weight: it is the pickle that counts."""
    for parameter in model.parameters():
        if parameter.numel() > LARGE:
            parameter.data = parameter.data.flatten()[:1].clone().expand(parameter.shape)


def _checkpoint(model: Any, **more: Any) -> dict[str, Any]:
    """As `strip_optimizer` leaves it."""
    for parameter in model.parameters():
        parameter.requires_grad = False
    _thin(model.half())
    return {
        "epoch": -1,
        "best_fitness": None,
        "model": model,
        "ema": None,
        "updates": None,
        "optimizer": None,
        "train_args": {**DEFAULT_CFG_DICT, "data": "coco.yaml"},
        "train_metrics": {"metrics/mAP50(B)": 0.5, "fitness": 0.4},
        "train_results": {"epoch": [1, 2], "time": [1.5, 2.5]},
        "date": datetime.datetime(2024, 5, 6, 7, 8, 9).isoformat(),
        "version": __version__,
        "license": "AGPL-3.0",
        "docs": "https://docs.ultralytics.com",
        **more,
    }


def _variants() -> Iterator[Legit]:
    model = _built(*KINDS["v8"])
    trained = deepcopy(model)
    trained.args = IterableSimpleNamespace(
        **{**vars(DEFAULT_CFG), "box": 7.5, "cls": 0.5, "dfl": 1.5}
    )
    trained.criterion = trained.init_criterion()
    state = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9).state_dict()
    running = _checkpoint(trained, ema=deepcopy(model).half(), updates=12, optimizer=state, epoch=3)
    yield saved("yolo_criterion.pt", FAMILY, running)
    for name, which in (
        ("segment", "segment"),
        ("pose", "pose"),
        ("obb", "obb"),
        ("classify", "classify"),
        ("v10", "v10"),
    ):
        other = _built(*KINDS[which])
        other.args = IterableSimpleNamespace(**vars(DEFAULT_CFG))
        other.criterion = other.init_criterion()
        yield saved(f"yolo_criterion_{name}.pt", FAMILY, _checkpoint(other))
    fused = deepcopy(model).float().fuse(verbose=False)
    yield saved("yolo_fused.pt", FAMILY, {"model": fused.half()})
    bound = deepcopy(model)
    for part in bound.modules():
        if isinstance(part, Conv):
            part.forward = part.forward_fuse
        elif isinstance(part, C2f):
            part.forward = part.forward_split
        elif isinstance(part, Detect):
            part.forward = MethodType(Detect.forward, part)
    yield saved("yolo_bound.pt", FAMILY, _checkpoint(bound))
    yield saved("yolo_bound_old.pt", FAMILY, _checkpoint(bound), old=True)
    yield saved("yolo_bound_p4.pt", FAMILY, _checkpoint(bound), 4)
    weights = {"model": model.state_dict(), "names": model.names}
    yield saved("yolo_weights.pt", FAMILY, weights)
    named = deepcopy(model)
    named.yaml["yaml_file"] = "yolov8n.yaml"
    named.stride = torch.tensor([8.0, 16.0, 32.0])
    named.task, named.pt_path = "detect", "yolov8n.pt"
    yield saved("yolo_named.pt", FAMILY, _checkpoint(named, train_args=vars(DEFAULT_CFG)))
