"""An `EmbodiedLM` from a folder: with LoRA adapters or without, filled completely or refused by name."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import PretrainedConfig, PreTrainedModel

from palme.model_folders import ADAPTER, ADAPTER_CONFIG, check_folder, folder_weights, told, weights_file
from palme.weight_files import BadWeights, check_fit, read_json, read_weights

REMEDY = "save a model there by `save_pretrained`, or train one with `palme train planner`"
PEFT_PREFIX = "base_model.model."
ADAPTED = re.compile(r"\.(lora_[AB]|lora_embedding_[AB]|lora_magnitude_vector)(?:\.weight)?$")
LORA_KEYS = (
    "r", "lora_alpha", "lora_dropout", "target_modules", "bias", "use_rslora", "use_dora", "fan_in_fan_out",
    "rank_pattern", "alpha_pattern", "layers_to_transform", "layers_pattern", "exclude_modules",
)  # fmt: skip


@dataclass(frozen=True)
class Reading:
    """What `PreTrainedModel.from_pretrained` needs to fill a model completely.

    Attributes:
        config: the model's, as a copy.
        tensors: every one by its name in the model.
        learning: names of the parameters that are trained; loading forgets them.
        rest: keywords that are no settings.
    """

    config: Any
    tensors: dict[str, Tensor]
    learning: frozenset[str]
    rest: dict[str, Any]


def read_model(
    kind: type[PreTrainedModel], folder: str | Path, config: Any, keywords: Mapping[str, Any]
) -> Reading:
    """A model's folder, checked.

    Weights of the language model come from the folder, or where it has none of them from the base that its
    config names. Base weights alone fill a model with LoRA settings too: its adapters begin as they do in
    training, without effect. Names as PEFT writes them (`base_model.model.`, without the adapter's name) are
    understood, and a PEFT adapter beside the base.

    Args:
        kind: the model's class.
        folder: with config.json, model.safetensors and, if need be, adapter_model.safetensors.
        config: an `EmbodiedConfig`, the folder of one, or None = that of `folder`.
        keywords: settings to change in the folder's config, and keywords of `from_pretrained`.

    Raises:
        WeightsMissing, BadWeights: files are missing, damaged or foreign; the weights lack a tensor, or have
            one too many.
        NotSetUp: the model's base is not in the cache.
    """
    path = check_folder(folder, REMEDY)
    rest = dict(keywords)
    if isinstance(config, PretrainedConfig):
        config = copy.deepcopy(config)
    else:
        described = path if config is None else check_folder(config, REMEDY)
        with told(f"{described / 'config.json'}: describes no model", REMEDY):
            settings: Any = kind.config_class
            config, rest = settings.from_pretrained(
                str(described), return_unused_kwargs=True, local_files_only=True, **keywords
            )
    found = folder_weights(path, REMEDY)
    if config.base and not any(map(_is_of_lm, found)):
        found |= _of_base(config.base)
    if (path / ADAPTER_CONFIG).exists():
        config.lora = _peft_settings(path / ADAPTER_CONFIG)
        found |= read_weights(path / ADAPTER, REMEDY)
    with told(f"{path / 'config.json'}: describes no model", REMEDY), torch.device("meta"):
        skeleton = kind(copy.deepcopy(config))
    _check_words(config, path)
    wanted = skeleton.state_dict()
    tied = set(getattr(skeleton, "all_tied_weights_keys", ()))
    named = _named_as(found, wanted, weights_file(path))
    if config.lora and not any("lora_" in name for name in named):
        fresh = kind(copy.deepcopy(config)).state_dict()
        named |= {name: value for name, value in fresh.items() if "lora_" in name}
    file = weights_file(path)
    _check_adapter(named, wanted, file, config)
    check_fit(named, wanted, file, REMEDY, tied)
    _check_tied(named, skeleton, file)
    learning = frozenset(name for name, p in skeleton.named_parameters() if p.requires_grad)
    return Reading(config, named, learning, rest)


def _is_of_lm(name: str) -> bool:
    """Whether a tensor is one of the language model's own, and none of an adapter of it."""
    return name.removeprefix(PEFT_PREFIX).startswith("lm.") and "lora_" not in name


def _of_base(name: str) -> dict[str, Tensor]:
    """The weights of the pretrained language model `name`, for a folder that holds none of it."""
    from palme.models.pretrained.load import REMEDY as BRING
    from palme.models.pretrained.load import folder_for

    return {f"lm.{key}": value for key, value in folder_weights(folder_for(name), BRING).items()}


def _named_as(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """`found` by the names of the model: PEFT's own names, and those of a base without adapters."""
    out: dict[str, Tensor] = {}
    for name, value in found.items():
        plain = ADAPTED.sub(r".\1.default.weight", name.removeprefix(PEFT_PREFIX))
        if plain not in wanted and plain.endswith("magnitude_vector.default.weight"):
            plain = plain.removesuffix(".weight")
        head, _, last = plain.rpartition(".")
        options = [plain, f"{head}.base_layer.{last}"]
        options += [f"lm.{option}" for option in options]  # an adapter of the backbone alone
        chosen = next((option for option in options if option in wanted), plain)
        if chosen in out:
            raise BadWeights(f"{path}: holds {chosen} twice, under the name {name} too; remove one; {REMEDY}")
        out[chosen] = value
    return out


def _check_adapter(
    named: Mapping[str, Tensor], wanted: Mapping[str, Tensor], path: Path, config: Any
) -> None:
    lora = [name for name in named if "lora_" in name]
    if lora and not config.lora:
        raise BadWeights(
            f"{path}: the weights hold LoRA adapters such as {lora[0]}, and config.json has no settings of "
            f"them; give lora={{'r': ..., 'target_modules': [...]}}, or merge them first; {REMEDY}"
        )
    base = [name for name in wanted if "lora_" not in name]
    lacking = [name for name in base if name not in named]
    if lora and 2 * len(lacking) > len(base):
        raise BadWeights(
            f"{path}: holds LoRA adapters alone: {len(lacking)} of the base's {len(base)} tensors are "
            f"missing, such as {lacking[0]}; put the base's model.safetensors beside them; {REMEDY}"
        )


def _check_tied(named: Mapping[str, Tensor], skeleton: Any, path: Path) -> None:
    """Raises where tied tensors differ in the file: one of them would be dropped without a word."""
    tied: Mapping[str, str] = getattr(skeleton, "all_tied_weights_keys", {})
    for one, other in tied.items():
        if one in named and other in named and not torch.equal(named[one], named[other]):
            raise BadWeights(
                f"{path}: {one} differs from {other}, which config.json ties to it; set tie_word_embeddings: "
                f"false, or remove one; {REMEDY}"
            )


def _check_words(config: Any, path: Path) -> None:
    from palme.models.connectors import CONNECTORS

    rows = config.backbone.get("vocab_size")
    for described in config.modalities.values():
        for word in CONNECTORS[described["connector"]["kind"]].names:
            ids = config.words.get(word)
            if not (ids and all(isinstance(i, int) and 0 <= i < (rows or i + 1) for i in ids)):
                raise BadWeights(
                    f"{path / 'config.json'}: words: {word!r} has no token ids of this vocabulary ({ids}); "
                    f"{REMEDY}"
                )


def _peft_settings(file: Path) -> dict[str, Any]:
    """Keywords of `peft.LoraConfig` in a PEFT adapter's own file."""
    read = read_json(file, REMEDY)
    if read.get("peft_type", "LORA") != "LORA":
        raise BadWeights(f"{file}: peft_type {read['peft_type']!r}; only LORA can be loaded; {REMEDY}")
    return {key: read[key] for key in LORA_KEYS if read.get(key) is not None}
