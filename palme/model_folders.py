"""Folders of `transformers`: config, weights and tokenizer, checked before and after they are loaded.

`from_pretrained` alone fills what a file lacks with random numbers and leaves a line in a log. Here such a
folder is refused.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from palme.weight_files import FLOATS, BadWeights, WeightsError, WeightsMissing, read_json, read_weights

if TYPE_CHECKING:
    from torch import Tensor

WEIGHTS, INDEX, ADAPTER = "model.safetensors", "model.safetensors.index.json", "adapter_model.safetensors"
ADAPTER_CONFIG = "adapter_config.json"
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")
VOCABULARIES = ("tokenizer.json", "vocab.txt", "vocab.json", "spiece.model", "tokenizer.model")
# Parts of another task that a pretrained model may bring along; the first two words of a tensor's name.
HEADS = frozenset(
    ("pooler", "cls", "classifier", "lm_head", "head", "decoder", "score", "qa_outputs", "predictions")
)
BUFFERS = ("position_ids", "inv_freq", "attn.bias", "masked_bias", "token_type_ids")  # computed anew
HUB_NAME = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?")


def check_folder(folder: str | Path, remedy: str) -> Path:
    """`folder` as a path, with a config.json that is one.

    Raises:
        WeightsMissing: there is no such folder, or nothing in it.
        BadWeights: it is a file, or one of its JSON files is damaged.
    """
    path = check_files(folder, remedy)
    if not (path / "config.json").exists():
        raise WeightsMissing(f"{path}: no config.json there, so no model; {remedy}")
    return path


def check_files(folder: str | Path, remedy: str) -> Path:
    """`folder` as a path. Raises as `check_folder`, but needs no config.json."""
    path = Path(folder)
    if not path.exists():
        raise WeightsMissing(f"{path}: no such folder; {remedy}")
    if not path.is_dir():
        raise BadWeights(f"{path}: is a file where a folder belongs; {remedy}")
    for file in sorted(path.glob("*.json")):
        read_json(file, remedy)
    return path


def weights_file(folder: Path) -> Path:
    """The file that names the tensors of a folder."""
    return folder / (INDEX if (folder / INDEX).exists() and not (folder / WEIGHTS).exists() else WEIGHTS)


def folder_weights(folder: Path, remedy: str) -> dict[str, Tensor]:
    """All tensors of a model's folder: of model.safetensors, or of the parts that its index names.

    Raises:
        WeightsMissing, BadWeights: see `palme.weight_files.read_weights`; pickles alone are refused.
    """
    if (folder / WEIGHTS).exists():
        return read_weights(folder / WEIGHTS, remedy)
    if (folder / INDEX).exists():
        return _parts(folder, remedy)
    pickles = sorted(file.name for pattern in PICKLES for file in folder.glob(pattern))
    if pickles:
        raise BadWeights(
            f"{folder / pickles[0]}: is a PyTorch pickle, which can run code when it is read, and "
            f"{WEIGHTS} is missing; convert it to safetensors where you trust its source; {remedy}"
        )
    if (folder / ADAPTER).exists():
        raise BadWeights(f"{folder}: holds a LoRA adapter alone, without its base; {remedy}")
    raise WeightsMissing(f"{folder / WEIGHTS}: no such file; {remedy}")


def _parts(folder: Path, remedy: str) -> dict[str, Tensor]:
    table = read_json(folder / INDEX, remedy).get("weight_map")
    if not (isinstance(table, dict) and table and all(isinstance(v, str) for v in table.values())):
        raise BadWeights(f"{folder / INDEX}: has no weight_map from tensors to files; {remedy}")
    found: dict[str, Tensor] = {}
    for part in sorted(set(table.values())):
        if Path(part).name != part:
            raise BadWeights(f"{folder / INDEX}: names {part!r}, outside the folder; {remedy}")
        here = read_weights(folder / part, remedy)
        wanted = {name for name, file in table.items() if file == part}
        if wrong := sorted(wanted ^ set(here)):
            raise BadWeights(
                f"{folder / part}: does not hold what {INDEX} says it does, such as {wrong[0]}; {remedy}"
            )
        found |= here
    return found


def load_checked(
    kind: Any, name: str | Path, remedy: str, unused: Collection[str] = (), **keywords: Any
) -> Any:
    """`kind.from_pretrained`, in evaluation mode, with every tensor from the files or not at all.

    Args:
        kind: an auto class of `transformers`, such as `AutoModel`.
        name: a folder, or the name of a model on its hub.
        remedy: see `read_weights`.
        unused: parts of the model that are not used, so that they may be missing.
        keywords: of `from_pretrained`.

    Raises:
        WeightsMissing: there is no such folder, and nothing of that name to download.
        BadWeights: files are damaged or foreign, or do not fill the model.
    """
    found: dict[str, Tensor] | None = None
    where = Path(name)
    if Path(name).exists() or not HUB_NAME.fullmatch(str(name)):
        folder = check_folder(name, remedy)
        if (folder / ADAPTER_CONFIG).exists():
            raise BadWeights(
                f"{folder / ADAPTER_CONFIG}: this is a LoRA adapter; merge it into its base first "
                f"(peft: `merge_and_unload`), and name the merged folder; {remedy}"
            )
        found, where = folder_weights(folder, remedy), weights_file(folder)
        keywords["local_files_only"] = True
    with told(f"{name}: no model can be made of its files", remedy, found is None):
        model, info = kind.from_pretrained(
            str(name),
            use_safetensors=True,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
            **keywords,
        )
    for key, row in info.items():
        rows = [r[0] if isinstance(r, tuple) else r for r in row]
        wrong = sorted(r for r in rows if not (key == "unexpected_keys" and _of_another_task(r)))
        if key == "missing_keys":
            wrong = [r for r in wrong if r.partition(".")[0] not in unused]
        if wrong:
            raise BadWeights(
                f"{where}: {len(wrong)} tensors are {key.removesuffix('_keys')}, such as {wrong[0]}: "
                f"config.json and the weights are not of one model; {remedy}"
            )
    _check_kinds(model, found or {}, where, remedy)
    return model


def load_tokenizer(folder: str | Path, remedy: str) -> Any:
    """The tokenizer of a folder.

    Raises:
        WeightsMissing: there is none.
        BadWeights: one of its files is damaged.
    """
    from transformers import AutoTokenizer

    path = check_files(folder, remedy)
    if not any((path / name).exists() for name in VOCABULARIES):
        raise WeightsMissing(f"{path / VOCABULARIES[0]}: no such file, so no tokenizer; {remedy}")
    with told(f"{path}: no tokenizer can be made of its files", remedy):
        return AutoTokenizer.from_pretrained(str(path), local_files_only=True)


@contextmanager
def told(what: str, remedy: str, missing: bool = False) -> Iterator[None]:
    """Any error of a library inside becomes one that names the file and the remedy; its log is silent.

    Args:
        what: begins the message.
        remedy: ends it.
        missing: whether WeightsMissing is raised in place of BadWeights.
    """
    from transformers.utils import logging

    level = logging.get_verbosity()
    logging.set_verbosity(logging.CRITICAL)
    try:
        yield
    except WeightsError:
        raise
    except Exception as error:  # whatever a library raises at files that it does not expect
        reason = " ".join(str(error).split())[:200]
        kind = WeightsMissing if missing else BadWeights
        raise kind(f"{what} ({type(error).__name__}: {reason}); {remedy}") from error
    finally:
        logging.set_verbosity(level)


def _of_another_task(name: str) -> bool:
    return bool(HEADS & set(name.split(".")[:2])) or name.endswith(BUFFERS)


def _check_kinds(model: Any, found: dict[str, Tensor], file: Path, remedy: str) -> None:
    """Raises where another type stands for real numbers: loading would cast it without a word."""
    own = model.state_dict()
    for key, value in found.items():
        if key in own and own[key].is_floating_point():
            kind = str(value.dtype).removeprefix("torch.")
            if kind not in FLOATS:
                raise BadWeights(
                    f"{file}: tensor {key} is of type {kind}, none of {', '.join(FLOATS)}; {remedy}"
                )
