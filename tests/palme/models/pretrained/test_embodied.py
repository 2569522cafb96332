"""A model around a pretrained language model: saved whole or without that one, loaded as it was."""

from pathlib import Path

import pytest
import torch

from palme.models.embodied_lm import EmbodiedLM
from palme.models.pretrained.embodied import embodied_around, embodied_senses, load_embodied, save_embodied
from tests.palme.tiny_lm import tiny_lm


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_lm(tmp_path_factory.mktemp("base"))


def changed(base: Path, rank: int) -> EmbodiedLM:
    """A model whose every weight is another than at its beginning, the language model's too."""
    model, _ = embodied_around(str(base), embodied_senses(), rank, 1 if rank else None)
    model.to(torch.bfloat16).float()  # as numbers that are the same in either
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(2).add_(0.25)
    return model


def differing(model: EmbodiedLM, other: EmbodiedLM) -> list[str]:
    found, wanted = other.state_dict(), model.state_dict()
    assert found.keys() == wanted.keys()
    return [name for name in wanted if not torch.equal(found[name].bfloat16(), wanted[name].bfloat16())]


@pytest.mark.parametrize("rank", [0, 2], ids=["frozen", "LoRA"])
@pytest.mark.parametrize("times", [1, 2])
def test_a_folder_with_its_own_language_model_is_that_one(
    base: Path, tmp_path: Path, rank: int, times: int
) -> None:
    model = changed(base, rank)
    other = model
    for _ in range(times):
        other.save_pretrained(tmp_path)
        other, processor = load_embodied(tmp_path)
    assert not differing(model, other)
    assert processor.tokenizer("red")["input_ids"]


@pytest.mark.parametrize("rank", [0, 2], ids=["frozen", "LoRA"])
def test_a_folder_of_what_was_learned_has_the_language_model_of_its_base(
    base: Path, tmp_path: Path, rank: int
) -> None:
    model = changed(base, rank)
    save_embodied(model, tmp_path)
    lost = differing(model, load_embodied(tmp_path)[0])
    assert lost and all(name.startswith("lm.") and "lora_" not in name for name in lost)


@pytest.mark.parametrize(("layers", "adapted"), [(1, 1), (2, 2), (9, 2), (None, 2)])
def test_the_last_layers_alone_have_an_adapter(base: Path, layers: int | None, adapted: int) -> None:
    model, _ = embodied_around(str(base), embodied_senses(), 2, layers)
    matrices = [name for name, _ in model.named_parameters() if "lora_A" in name]
    assert len(matrices) == 7 * adapted and all("layers.1." in name for name in matrices[-7:])


@pytest.mark.parametrize("layers", [0, -1])
def test_an_adapter_in_no_layer_is_refused_and_not_one_in_all(base: Path, layers: int) -> None:
    with pytest.raises(ValueError, match=f"layers={layers}"):
        embodied_around(str(base), embodied_senses(), 2, layers)
