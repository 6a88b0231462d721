"""Node packs in small: the class and input names of well-known ones, and the idioms they use."""

from __future__ import annotations

from pathlib import Path

CORE = """
import os
import torch
import folder_paths
import comfy.sd


class CheckpointLoaderSimple:
    @classmethod
    def INPUT_TYPES(s):
        return {"required": {"ckpt_name": (folder_paths.get_filename_list("checkpoints"), {"tooltip": "a"})}}


class CheckpointLoader:
    @classmethod
    def INPUT_TYPES(s):
        return {"required": {"config_name": (folder_paths.get_filename_list("configs"),),
                             "ckpt_name": (folder_paths.get_filename_list("checkpoints"),)}}


class LoraLoader:
    @classmethod
    def INPUT_TYPES(s):
        return {"required": {"model": ("MODEL",), "clip": ("CLIP",),
                             "lora_name": (folder_paths.get_filename_list("loras"), {}),
                             "strength_model": ("FLOAT", {"default": 1.0})}}


class LoraLoaderModelOnly(LoraLoader):
    @classmethod
    def INPUT_TYPES(s):
        return {"required": {"model": ("MODEL",),
                             "lora_name": (folder_paths.get_filename_list("loras"),)}}


class VAELoader:
    taes = ["taesd"]

    @staticmethod
    def vae_list(s):
        vaes = folder_paths.get_filename_list("vae")
        approx = folder_paths.get_filename_list("vae_approx")
        for v in approx:
            if v.startswith("taesd_decoder."):
                vaes.append("taesd")
        vaes.append("pixel_space")
        return vaes

    @classmethod
    def INPUT_TYPES(s):
        return {"required": {"vae_name": (s.vae_list(s),)}}


class UNETLoader:
    @classmethod
    def INPUT_TYPES(s):
        return {"required": {"unet_name": (folder_paths.get_filename_list("diffusion_models"),),
                             "weight_dtype": (["default", "fp8_e4m3fn"],)}}


class KSampler:
    @classmethod
    def INPUT_TYPES(s):
        return {"required": {"model": ("MODEL",), "seed": ("INT", {"control_after_generate": True}),
                             "steps": ("INT", {"default": 20})}}


class CLIPVisionLoader:
    @classmethod
    def INPUT_TYPES(s):
        return {"required": {"clip_name": (folder_paths.get_filename_list("clip_vision"),)}}


class DiffusersLoader:
    @classmethod
    def INPUT_TYPES(cls):
        paths = []
        for search_path in folder_paths.get_folder_paths("diffusers"):
            if os.path.exists(search_path):
                for root, subdir, files in os.walk(search_path, followlinks=True):
                    if "model_index.json" in files:
                        paths.append(os.path.relpath(root, start=search_path))
        return {"required": {"model_path": (paths,)}}


NODE_CLASS_MAPPINGS = {
    "CheckpointLoaderSimple": CheckpointLoaderSimple,
    "CheckpointLoader": CheckpointLoader,
    "LoraLoader": LoraLoader,
    "LoraLoaderModelOnly": LoraLoaderModelOnly,
    "VAELoader": VAELoader,
    "UNETLoader": UNETLoader,
    "KSampler": KSampler,
    "CLIPVisionLoader": CLIPVisionLoader,
    "DiffusersLoader": DiffusersLoader,
}
"""

EXTRAS = """
import folder_paths
from typing_extensions import override
from comfy_api.latest import ComfyExtension, io


class UpscaleModelLoader(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="UpscaleModelLoader",
            category="loaders",
            inputs=[io.Combo.Input("model_name", options=folder_paths.get_filename_list("upscale_models"))],
            outputs=[io.UpscaleModel.Output()],
        )


class TrainLoraNode(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="TrainLoraNode",
            inputs=[
                io.Model.Input("model"),
                io.Int.Input("seed", default=0, control_after_generate=True),
                io.Combo.Input("existing_lora", options=folder_paths.get_filename_list("loras") + ["[None]"]),
            ],
        )


class Extension(ComfyExtension):
    @override
    async def get_node_list(self):
        return [UpscaleModelLoader, TrainLoraNode]
"""

# GGUF: keys of its own over the core's directories; lists of two keys.
GGUF_INIT = "from .nodes import NODE_CLASS_MAPPINGS\n"
GGUF = """
import os
import folder_paths


def update_folder_names_and_paths(key, targets=[]):
    base = folder_paths.folder_names_and_paths.get(key, ([], {}))
    folder_paths.folder_names_and_paths[key] = (base, {".gguf"})


update_folder_names_and_paths("unet_gguf", ["diffusion_models", "unet"])


class UnetLoaderGGUF:
    @classmethod
    def INPUT_TYPES(s):
        unet_names = [x for x in folder_paths.get_filename_list("unet_gguf")]
        return {"required": {"unet_name": (unet_names,)}}


class CLIPLoaderGGUF:
    @classmethod
    def INPUT_TYPES(s):
        return {"required": {"clip_name": (s.get_filename_list(), ), "type": (["sdxl"],)}}

    @classmethod
    def get_filename_list(s):
        files = []
        files += folder_paths.get_filename_list("clip")
        files += folder_paths.get_filename_list("clip_gguf")
        return sorted(files)


class DualCLIPLoaderGGUF(CLIPLoaderGGUF):
    @classmethod
    def INPUT_TYPES(s):
        file_options = (s.get_filename_list(), )
        return {"required": {"clip_name1": file_options, "clip_name2": file_options}}


NODE_CLASS_MAPPINGS = {
    "UnetLoaderGGUF": UnetLoaderGGUF,
    "CLIPLoaderGGUF": CLIPLoaderGGUF,
    "DualCLIPLoaderGGUF": DualCLIPLoaderGGUF,
}
"""

# IPAdapter: registers its folder, module constants.
IPADAPTER_INIT = """
from .IPAdapterPlus import NODE_CLASS_MAPPINGS
__all__ = ["NODE_CLASS_MAPPINGS"]
"""
IPADAPTER = """
import os
import folder_paths
GLOBAL_MODELS_DIR = os.path.join(folder_paths.models_dir, "ipadapter")
if "ipadapter" not in folder_paths.folder_names_and_paths:
    current_paths = [GLOBAL_MODELS_DIR]
else:
    current_paths, _ = folder_paths.folder_names_and_paths["ipadapter"]
folder_paths.folder_names_and_paths["ipadapter"] = (current_paths, folder_paths.supported_pt_extensions)
WEIGHT_TYPES = ["linear", "ease in"]


class IPAdapterModelLoader:
    @classmethod
    def INPUT_TYPES(s):
        return {"required": { "ipadapter_file": (folder_paths.get_filename_list("ipadapter"), )}}


class IPAdapterInsightFaceLoader:
    @classmethod
    def INPUT_TYPES(s):
        return {"required": {"provider": (["CPU", "CUDA"], ), "model_name": (['buffalo_l'], )}}


NODE_CLASS_MAPPINGS = {"IPAdapterModelLoader": IPAdapterModelLoader,
                       "IPAdapterInsightFaceLoader": IPAdapterInsightFaceLoader}
"""

# rgthree: names from a helper in another module, a class attribute, loops of inputs.
RGTHREE_INIT = """
from .py.lora_stack import RgthreeLoraLoaderStack
from .py.power_prompt import RgthreePowerPrompt
NODE_CLASS_MAPPINGS = {
    RgthreeLoraLoaderStack.NAME: RgthreeLoraLoaderStack,
    RgthreePowerPrompt.NAME: RgthreePowerPrompt,
}
"""
RGTHREE_CONSTANTS = """
NAMESPACE = 'rgthree'
def get_name(name):
    return '{} ({})'.format(name, NAMESPACE)
"""
RGTHREE_STACK = """
import folder_paths
from .constants import get_name


class RgthreeLoraLoaderStack:
    NAME = get_name('Lora Loader Stack')

    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {
                "model": ("MODEL",),
                "clip": ("CLIP", ),
                "lora_01": (['None'] + folder_paths.get_filename_list("loras"), ),
                "strength_01": ("FLOAT", {"default": 1.0}),
                "lora_02": (['None'] + folder_paths.get_filename_list("loras"), ),
                "strength_02": ("FLOAT", {"default": 1.0}),
            }
        }
"""
RGTHREE_PROMPT = """
import folder_paths
from .constants import get_name
NODE_NAME = get_name('Power Prompt')


class RgthreePowerPrompt:
    NAME = NODE_NAME

    @classmethod
    def INPUT_TYPES(cls):
        SAVED = []
        return {
            'required': {'prompt': ('STRING', {'multiline': True})},
            'optional': {
                "opt_model": ("MODEL",),
                'insert_lora': (['CHOOSE', 'DISABLE LORAS'] +
                                [os.path.splitext(x)[0] for x in folder_paths.get_filename_list('loras')],),
                'insert_embedding': (['CHOOSE'] +
                                     [os.path.splitext(x)[0] for x in folder_paths.get_filename_list('embeddings')],),
            },
        }
"""

# Impact: prefixes that stand before the name, star imports, helper lists, update of the mapping.
IMPACT_INIT = """
import folder_paths
import os
model_path = folder_paths.models_dir
folder_paths.add_model_folder_path("mmdets_bbox", os.path.join(model_path, "mmdets", "bbox"))
for kind in ("bbox", "segm"):
    folder_paths.add_model_folder_path("ultralytics_" + kind, os.path.join(model_path, "ultralytics", kind))
folder_paths.add_model_folder_path("sams", os.path.join(model_path, "sams"))
folder_paths.add_model_folder_path("onnx", f"{model_path}/onnx")
from .modules.impact_pack import *
NODE_CLASS_MAPPINGS = {
    "SAMLoader": SAMLoader,
    "ONNXDetectorProvider": ONNXDetectorProvider,
}
try:
    from .modules.subpack import UltralyticsDetectorProvider
    NODE_CLASS_MAPPINGS.update({"UltralyticsDetectorProvider": UltralyticsDetectorProvider})
except Exception as e:
    print(e)
"""
IMPACT_PACK = """
import folder_paths


class SAMLoader:
    @classmethod
    def INPUT_TYPES(cls):
        models = [x for x in folder_paths.get_filename_list("sams") if 'hq' not in x]
        return {
            "required": {
                "model_name": (models + ['ESAM'], {"tooltip": "b"}),
                "device_mode": (["AUTO", "CPU"],),
            }
        }


class ONNXDetectorProvider:
    @classmethod
    def INPUT_TYPES(s):
        return {"required": {"model_name": (folder_paths.get_filename_list("onnx"),)}}
"""
IMPACT_SUB = """
import folder_paths


def choices(kind):
    return [kind + "/" + x for x in folder_paths.get_filename_list("ultralytics_" + kind)]


class UltralyticsDetectorProvider:
    @classmethod
    def INPUT_TYPES(s):
        bboxs = ["bbox/" + x for x in folder_paths.get_filename_list("ultralytics_bbox")]
        segms = choices("segm")
        return {"required": {"model_name": (bboxs + segms, )}}
"""

# AnimateDiff: Enum of folder names, helper functions of another module, registered in a function.
ANIMATEDIFF_INIT = "from .animatediff.nodes import NODE_CLASS_MAPPINGS\n"
ANIMATEDIFF_UTILS = """
import os
from pathlib import Path
import folder_paths


class Folders:
    MODELS = "animatediff_models"
    LORA = "animatediff_motion_lora"


def add_extension_to_folder_path(folder_name, extensions):
    pass


folder_paths.add_model_folder_path(Folders.MODELS, os.path.join(folder_paths.models_dir, Folders.MODELS))
folder_paths.add_model_folder_path(Folders.MODELS, str(Path(__file__).parent.parent / "models"))
folder_paths.add_model_folder_path(Folders.LORA, os.path.join(folder_paths.models_dir, Folders.LORA))


def get_available_motion_models():
    return folder_paths.get_filename_list(Folders.MODELS)


def get_available_motion_loras():
    return folder_paths.get_filename_list(Folders.LORA)
"""
ANIMATEDIFF = """
from . import utils
from .utils import get_available_motion_models as models


class LoadAnimateDiffModelNode:
    @classmethod
    def INPUT_TYPES(s):
        required = {}
        required["model_name"] = (models(),)
        return {"required": required, "optional": {"ad_settings": ("AD_SETTINGS",)}}


class AnimateDiffLoraLoader:
    @classmethod
    def INPUT_TYPES(s):
        return {"required": {"name": (utils.get_available_motion_loras(),),
                             "strength": ("FLOAT", {"default": 1.0})}}


class LoraBank:
    MAX = 3

    @classmethod
    def INPUT_TYPES(cls):
        inputs = {"required": {"count": ("INT", {"default": 1}), "noise_seed": ("INT",)}}
        for i in range(1, cls.MAX + 1):
            inputs["required"][f"lora_name_{i}"] = (["None"] + utils.get_available_motion_loras(),)
        return inputs


class WithText(LoadAnimateDiffModelNode):
    @classmethod
    def INPUT_TYPES(s):
        types = super().INPUT_TYPES()
        types["required"]["text"] = ("STRING", {"multiline": True})
        types["optional"] = {"vae_name": (["Baked VAE", *folder_paths.get_filename_list("vae")],)}
        return types


import folder_paths
_EXTRA = {"ADE_WithText": WithText}
NODE_CLASS_MAPPINGS = {
    **{"ADE_LoadAnimateDiffModel": LoadAnimateDiffModelNode},
    "ADE_AnimateDiffLoRALoader": AnimateDiffLoraLoader,
} | _EXTRA
NODE_CLASS_MAPPINGS["ADE_LoraBank"] = LoraBank
"""

FILES = {
    "nodes.py": CORE,
    "comfy_extras/nodes_upscale_model.py": EXTRAS,
    "custom_nodes/ComfyUI-GGUF/__init__.py": GGUF_INIT,
    "custom_nodes/ComfyUI-GGUF/nodes.py": GGUF,
    "custom_nodes/ComfyUI_IPAdapter_plus/__init__.py": IPADAPTER_INIT,
    "custom_nodes/ComfyUI_IPAdapter_plus/IPAdapterPlus.py": IPADAPTER,
    "custom_nodes/rgthree-comfy/__init__.py": RGTHREE_INIT,
    "custom_nodes/rgthree-comfy/py/constants.py": RGTHREE_CONSTANTS,
    "custom_nodes/rgthree-comfy/py/lora_stack.py": RGTHREE_STACK,
    "custom_nodes/rgthree-comfy/py/power_prompt.py": RGTHREE_PROMPT,
    "custom_nodes/ComfyUI-Impact-Pack/__init__.py": IMPACT_INIT,
    "custom_nodes/ComfyUI-Impact-Pack/modules/impact_pack.py": IMPACT_PACK,
    "custom_nodes/ComfyUI-Impact-Pack/modules/subpack.py": IMPACT_SUB,
    "custom_nodes/ComfyUI-AnimateDiff-Evolved/__init__.py": ANIMATEDIFF_INIT,
    "custom_nodes/ComfyUI-AnimateDiff-Evolved/animatediff/utils.py": ANIMATEDIFF_UTILS,
    "custom_nodes/ComfyUI-AnimateDiff-Evolved/animatediff/nodes.py": ANIMATEDIFF,
}
"""Path → source. Five packs, each with what makes its real namesake hard to read."""

# (node type, input) → folder, position among the widgets
EXPECTED = {
    ("CheckpointLoaderSimple", "ckpt_name"): ("checkpoints", 0),
    ("CheckpointLoader", "config_name"): ("configs", 0),
    ("CheckpointLoader", "ckpt_name"): ("checkpoints", 1),
    ("LoraLoader", "lora_name"): ("loras", 0),
    ("LoraLoaderModelOnly", "lora_name"): ("loras", 0),
    ("VAELoader", "vae_name"): ("vae", 0),
    ("UNETLoader", "unet_name"): ("diffusion_models", 0),
    ("CLIPVisionLoader", "clip_name"): ("clip_vision", 0),
    ("DiffusersLoader", "model_path"): ("diffusers", 0),
    ("UpscaleModelLoader", "model_name"): ("upscale_models", 0),
    ("TrainLoraNode", "existing_lora"): ("loras", 2),
    ("UnetLoaderGGUF", "unet_name"): ("diffusion_models", 0),
    ("CLIPLoaderGGUF", "clip_name"): ("text_encoders", 0),
    ("DualCLIPLoaderGGUF", "clip_name1"): ("text_encoders", 0),
    ("DualCLIPLoaderGGUF", "clip_name2"): ("text_encoders", 1),
    ("IPAdapterModelLoader", "ipadapter_file"): ("ipadapter", 0),
    ("Lora Loader Stack (rgthree)", "lora_01"): ("loras", 0),
    ("Lora Loader Stack (rgthree)", "lora_02"): ("loras", 2),
    ("SAMLoader", "model_name"): ("sams", 0),
    ("ONNXDetectorProvider", "model_name"): ("onnx", 0),
    ("UltralyticsDetectorProvider", "model_name"): ("ultralytics", 0),
    ("ADE_LoadAnimateDiffModel", "model_name"): ("animatediff_models", 0),
    ("ADE_AnimateDiffLoRALoader", "name"): ("animatediff_motion_lora", 0),
    ("ADE_WithText", "model_name"): ("animatediff_models", 0),
    ("ADE_WithText", "vae_name"): ("vae", 2),
    ("ADE_LoraBank", "lora_name_1"): ("animatediff_motion_lora", 3),
    ("ADE_LoraBank", "lora_name_2"): ("animatediff_motion_lora", 4),
    ("ADE_LoraBank", "lora_name_3"): ("animatediff_motion_lora", 5),
}


def lay_out(comfyui: Path) -> None:
    """Write core and packs below a ComfyUI folder."""
    for name, text in FILES.items():
        path = comfyui / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
