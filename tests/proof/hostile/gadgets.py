"""What runs when it is called, though it is made of names that a judge must allow.

ultralytics evaluates the text under `activation` when one of its models is called with a mapping.
So a class of it runs where it is called with one argument of the file's choosing; a module whose
hooks lead there runs where it is called with none.
"""

from __future__ import annotations

from tests.proof.assemble import Plain, Value, instance, keyed, mapping, named, sequence

MARK_TEXT = "open(__import__('os').environ['HELD_MARK'],'w').close()"
MARK_COMMAND = ': > "$HELD_MARK"'
MODELS = (
    "DetectionModel",
    "OBBModel",
    "SegmentationModel",
    "PoseModel",
    "ClassificationModel",
    "RTDETRDetectionModel",
    "WorldModel",
    "YOLOEModel",
    "YOLOESegModel",
)
TABLES = (
    "_backward_hooks _forward_hooks _forward_pre_hooks _backward_pre_hooks"
    " _forward_hooks_with_kwargs _forward_pre_hooks_with_kwargs _forward_hooks_always_called"
    " _parameters _buffers _modules"
).split()


def model(turn: int = 0) -> Value:
    """Name a class that evaluates a text of the mapping it is called with."""
    return named(f"ultralytics.nn.tasks.{MODELS[turn % len(MODELS)]}")


def config() -> Value:
    """Build the mapping for it."""
    layer = sequence(sequence(0, 1, "Conv", sequence()))
    return mapping(
        activation=MARK_TEXT,
        nc=1,
        backbone=layer,
        head=sequence(),
        depth_multiple=1,
        width_multiple=1,
        yaml_file="x",
    )


def module(what: str, **attributes: Plain) -> Value:
    """Build a module of torch or ultralytics with the tables that each has."""
    tables: dict[str, Plain] = {table: mapping() for table in TABLES}
    return instance(what, mapping({**tables, "training": False, **attributes}))


def layers(*items: Value) -> Value:
    """Build a Sequential."""
    table = mapping({str(place): item for place, item in enumerate(items)})
    return module("torch.nn.modules.container.Sequential", _modules=table)


def chain(turn: int = 0) -> Value:
    """Build a module that takes `["k"]` of its argument and calls a model with it."""
    index = module("ultralytics.nn.modules.conv.Index", index="k")
    return layers(index, model(turn))


def hooked(turn: int = 0, table: str = "_forward_pre_hooks") -> Value:
    """Build a module that runs when it is called, with whatever arguments."""
    block = module("ultralytics.nn.modules.block.C2fAttn", cv1=chain(turn))
    return module(
        "torch.nn.modules.container.ModuleDict",
        **{table: keyed((0, block)), "_modules": mapping(k=config())},
    )


def called_with_pair(turn: int = 0) -> Value:
    """Build the same without hooks: the class in place of its `forward`."""
    return module(
        "torch.nn.modules.container.ModuleDict",
        _compiled_call_impl=model(turn),
    )


def holder(attribute: str, gadget: Value, what: str = "argparse.Namespace") -> Value:
    """Build an object of plain attributes, one of which is a gadget."""
    return instance(what, mapping({attribute: gadget}))


def iterated(gadget: Value, what: str = "torch.nn.modules.container.ModuleList") -> Value:
    """Build a module that runs a gadget when something iterates over it."""
    return module(what, _modules=holder("values", gadget))
