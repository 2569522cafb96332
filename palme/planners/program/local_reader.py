"""A reader from the files of a language model: by its fast runtime, else by `transformers`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from palme.models.pretrained.decoder import NotInFamily
from palme.models.pretrained.light_tokenizer import light_tokenizer
from palme.models.pretrained.load import REMEDY, folder_for, pretrained, with_adapter
from palme.models.pretrained.load_decoder import decoder
from palme.models.pretrained.packed_linear import Precision
from palme.planners.program.in_context import context_of, examples_ids, kept_context
from palme.planners.program.reader import ProgramReader
from palme.planners.program.runtime import DecoderRuntime, TorchRuntime


def local_reader(
    model: str | Path,
    adapter: Path | None = None,
    precision: Precision | None = None,
    in_context: bool = False,
) -> ProgramReader:
    """The reader.

    Args:
        model: in the cache, as `palme setup language` leaves it, or a folder.
        adapter: folder of what `palme train programs` made; None = the model as it is.
        precision: of a model of the Llama family; None = what this processor is fast at.
        in_context: whether examples stand before every sentence, as a model without an adapter needs them.

    Raises:
        palme.models.pretrained.cache.NotSetUp: the model is not there.
        palme.weight_files.WeightsError: the model or the adapter is missing, damaged, or of another model.
    """
    folder = folder_for(model)
    tokenizer: Any = light_tokenizer(folder, REMEDY)
    before = examples_ids(tokenizer) if in_context else []
    try:
        fast = decoder(folder, adapter, precision)
    except NotInFamily:
        slow, _ = pretrained(folder)
        runtime = TorchRuntime(slow if adapter is None else with_adapter(slow, adapter))
        return ProgramReader(runtime, tokenizer, context_of(runtime, before) if before else None)
    quick = DecoderRuntime(fast)
    if not before:
        return ProgramReader(quick, tokenizer)
    kept = kept_context(quick, fast, folder, before) if adapter is None else context_of(quick, before)
    return ProgramReader(quick, tokenizer, kept)
