"""A pretrained language model of the Llama family, with or without an adapter, as a `Decoder`.

Its weights are taken from the files as they lie, without `transformers`, whose import alone takes seconds.
"""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from palme.model_folders import (
    ADAPTER,
    ADAPTER_CONFIG,
    check_files,
    check_folder,
    folder_weights,
    weights_file,
)
from palme.models.pretrained.decoder import Decoder, check_family, prepared_weights
from palme.models.pretrained.load import REMEDY, TRAIN, folder_for
from palme.models.pretrained.packed_linear import Precision, fast_precision
from palme.models.pretrained.prepared import prepared
from palme.weight_files import BadWeights, read_json, read_weights

_PREFIX, _A, _B = "base_model.model.", ".lora_A.weight", ".lora_B.weight"
"""Of the names of an adapter's tensors, as `peft` saves them."""


def decoder(name: str | Path, adapter: Path | None = None, precision: Precision | None = None) -> Decoder:
    """The model as a `Decoder`.

    Args:
        name: of a model in the cache, or a folder as `save_pretrained` leaves it.
        adapter: the folder of a trained adapter, merged into the weights; None = none.
        precision: of the matrices; None = what this processor is fast at.

    Raises:
        NotSetUp: the model is not in the cache.
        WeightsMissing, BadWeights: its files or the adapter's are not there, damaged, or of another model.
        NotInFamily: only `transformers` computes it.
    """
    folder = check_folder(folder_for(name), REMEDY)
    config = read_json(folder / "config.json", REMEDY)
    check_family(config)
    own = precision or fast_precision()

    def make() -> dict[str, Tensor]:
        weights = folder_weights(folder, REMEDY)
        if adapter is not None:
            merge_adapter(weights, adapter)
        return prepared_weights(config, weights, own)

    sources = [folder / "config.json", *sorted({weights_file(folder), *folder.glob("*.safetensors")})]
    if adapter is not None:
        sources += [check_files(adapter, TRAIN) / name for name in (ADAPTER, ADAPTER_CONFIG)]
    try:
        return Decoder(config, prepared(sources, own, make), own)
    except (KeyError, RuntimeError) as error:
        raise BadWeights(
            f"{folder}: config.json and the weights are not of one model ({error}); {REMEDY}"
        ) from error


def merge_adapter(weights: dict[str, Tensor], folder: Path) -> None:
    """Add the adapter in `folder` (LoRA; Hu et al., 2021: W + scale B A) to the matrices that it changes.

    Args:
        weights: tensors of the model by name; changed.
        folder: as `peft` saves an adapter.

    Raises:
        WeightsMissing: there is none in `folder`.
        BadWeights: its files are damaged, or of an adapter of another kind or model.
    """
    file = check_files(folder, TRAIN) / ADAPTER
    found = read_weights(file, TRAIN)
    settings = read_json(folder / ADAPTER_CONFIG, TRAIN)
    try:
        scale = float(settings["lora_alpha"]) / int(settings["r"])
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise BadWeights(
            f"{folder / ADAPTER_CONFIG}: no settings of an adapter ({error!r}); {TRAIN}"
        ) from error
    if other := [key for key in ("use_dora", "use_rslora") if settings.get(key)]:
        raise BadWeights(
            f"{folder / ADAPTER_CONFIG}: {other[0]} is set, and only plain LoRA is read; {TRAIN}"
        )
    names = [key.removeprefix(_PREFIX).removesuffix(_A) for key in found if key.endswith(_A)]
    if len(found) != 2 * len(names):
        raise BadWeights(f"{file}: {len(found)} tensors that are no pairs of lora_A and lora_B; {TRAIN}")
    for name in names:
        a, b = found[_PREFIX + name + _A], found.get(_PREFIX + name + _B)
        weight = weights.get(f"{name}.weight")
        if weight is None or b is None or (len(b), a.shape[1], len(a)) != (*weight.shape, b.shape[1]):
            raise BadWeights(f"{file}: {name} is no matrix of this model, or of another size; {TRAIN}")
        weights[f"{name}.weight"] = weight.float().addmm_(b.float(), a.float(), alpha=scale)
