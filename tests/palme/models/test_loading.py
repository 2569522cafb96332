"""Base weights, LoRA adapters and PEFT's names: loaded right or refused by name, never partly random."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from torch import Tensor

from palme.models.embodied_lm import EmbodiedLM
from palme.weight_files import BadWeights
from tests.planner_fakes import tiny_model

LORA = {"r": 2, "target_modules": ["q_proj", "v_proj"]}
IDS = torch.randint(20, 200, (2, 7), generator=torch.Generator().manual_seed(0))
Tensors = dict[str, Tensor]


def logits(model: EmbodiedLM) -> Tensor:
    with torch.no_grad():
        return model.eval()(IDS).logits


def with_adapters() -> EmbodiedLM:
    """A model whose adapters matter."""
    model = tiny_model(lora=LORA)
    torch.manual_seed(1)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if "lora_B" in name:
                p.normal_(std=0.3)
    return model


def saved(model: EmbodiedLM, folder: Path, change: Callable[[Tensors], Tensors] = lambda t: t) -> Path:
    model.save_pretrained(folder)
    file = folder / "model.safetensors"
    changed = {k: v.clone().contiguous() for k, v in change(load_file(file)).items()}
    save_file(changed, file, metadata={"format": "pt"})
    return folder


def base_names(found: Tensors) -> Tensors:
    return {name.replace(".base_layer.", "."): v for name, v in found.items()}


def peft_names(found: Tensors) -> Tensors:
    return {"base_model.model." + name.replace(".default.", "."): v for name, v in found.items()}


def base_alone(found: Tensors) -> Tensors:
    return {name: v for name, v in base_names(found).items() if "lora_" not in name}


def adapter_alone(found: Tensors) -> Tensors:
    return {name: v for name, v in found.items() if "lora_" in name}


BOTH = {
    "as saved": lambda t: t,
    "base by its own names": base_names,
    "PEFT's prefix": peft_names,
    "PEFT's prefix, base by its own names": lambda t: peft_names(base_names(t)),
    "the adapter alone by PEFT's names": lambda t: base_alone(t) | peft_names(adapter_alone(t)),
    "of the backbone alone": lambda t: {k.replace("base_model.model.lm.", "base_model.model."): v
                                        for k, v in (peft_names(adapter_alone(t)) | base_alone(t)).items()},
    "in another order": lambda t: dict(reversed(t.items())),
}  # fmt: skip


@pytest.mark.parametrize("change", BOTH.values(), ids=BOTH)
def test_base_and_adapters_are_loaded_by_any_of_their_names(change, tmp_path):
    model = with_adapters()
    folder = saved(model, tmp_path, change)
    assert torch.equal(logits(EmbodiedLM.from_pretrained(folder)), logits(model))


@pytest.mark.parametrize("change", [base_alone, lambda t: peft_names(base_alone(t))])
def test_a_base_alone_gets_fresh_adapters_without_effect(change, tmp_path):
    plain = tiny_model()
    for _ in range(2):
        again = EmbodiedLM.from_pretrained(saved(plain, tmp_path, change), lora=LORA)
        assert torch.equal(logits(again), logits(plain))
        b = {n: p for n, p in again.named_parameters() if "lora_B" in n}
        a = {n: p for n, p in again.named_parameters() if "lora_A" in n}
        assert (
            len(a) == len(b) == 4
            and all(not p.any() for p in b.values())
            and all(p.any() for p in a.values())
        )
        assert {n for n, p in again.lm.named_parameters() if p.requires_grad} == {n[3:] for n in (*a, *b)}
        assert again.config.lora == LORA


def test_merged_weights_whose_config_still_names_adapters_are_loaded_as_they_are(tmp_path):
    model = with_adapters()
    expected = logits(model)
    for module in model.lm.modules():
        if hasattr(module, "merge") and hasattr(module, "lora_A"):
            module.merge()
    folder = saved(model, tmp_path, base_alone)
    again = EmbodiedLM.from_pretrained(folder)
    assert again.config.lora == LORA
    torch.testing.assert_close(logits(again), expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("whole", [True, False], ids=["of the model", "of the backbone"])
def test_an_adapter_that_peft_wrote_is_loaded_beside_its_base(whole, tmp_path):
    model = tiny_model()
    model.save_pretrained(tmp_path)
    inner = get_peft_model(model if whole else model.lm, LoraConfig(**LORA))
    with torch.no_grad():
        for name, p in inner.named_parameters():
            if "lora_B" in name:
                p.normal_(std=0.3)
    inner.save_pretrained(tmp_path)
    assert json.loads((tmp_path / "adapter_config.json").read_text())["r"] == 2
    again = EmbodiedLM.from_pretrained(tmp_path)
    assert again.config.lora["r"] == 2
    torch.testing.assert_close(logits(again), logits(model), atol=1e-6, rtol=1e-5)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(BadWeights, match="holds a LoRA adapter alone, without its base"):
        EmbodiedLM.from_pretrained(tmp_path)


def one_less(word: str) -> Callable[[Tensors], Tensors]:
    return lambda t: {k: v for k, v in t.items() if k != next(name for name in t if word in name)}


def renamed(t: Tensors) -> Tensors:
    return {k.replace(".default.", ".mine."): v for k, v in t.items()}


def doubled(t: Tensors) -> Tensors:
    return {k: torch.cat([v, v]) if "lora_A" in k else v for k, v in t.items()}


def wider(t: Tensors) -> Tensors:
    return t | {k.replace("q_proj", "o_proj"): v for k, v in adapter_alone(t).items()}


def diverged(t: Tensors) -> Tensors:
    return {k: v * float("nan") if "lora_B" in k else v for k, v in t.items()}


def untied(t: Tensors) -> Tensors:
    return t | {"lm.lm_head.weight": t["lm.model.embed_tokens.weight"] + 1}


REFUSED = {
    "the adapter alone": (adapter_alone, "holds LoRA adapters alone: .* of the base's .* are missing"),
    "the adapter alone by PEFT's names": (lambda t: peft_names(adapter_alone(t)), "LoRA adapters alone"),
    "a base layer lost": (one_less("base_layer"), "lacks lm.model.*base_layer.weight"),
    "an adapter's half lost": (one_less("lora_A"), "lacks lm.model.*lora_A.default.weight"),
    "embeddings lost": (one_less("embed_tokens"), "lacks lm.model.embed_tokens.weight"),
    "a connector lost": (one_less("senses."), "lacks senses."),
    "another rank": (doubled, "has shape"),
    "another adapter's name": (renamed, "lacks .*default"),
    "two adapters": (lambda t: t | renamed(adapter_alone(t)), "has .*mine.* lacks"),
    "a base twice": (lambda t: t | base_alone(t), "twice, under the name"),
    "an adapter on more": (wider, "o_proj"),
    "NaN in an adapter": (diverged, "not finite"),
    "a tied head that differs": (untied, "differs from .* ties to it"),
}


@pytest.mark.parametrize(("change", "says"), REFUSED.values(), ids=REFUSED)
def test_adapters_and_bases_that_do_not_fit_are_refused_by_name(change, says, tmp_path):
    folder = saved(with_adapters(), tmp_path, change)
    with pytest.raises(BadWeights, match=says) as error:
        EmbodiedLM.from_pretrained(folder)
    assert str(tmp_path) in str(error.value) and "`palme train planner`" in str(error.value)


def test_adapters_without_their_settings_are_refused_and_taken_with_them(tmp_path):
    model = with_adapters()
    folder = saved(model, tmp_path)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"lora": None}))
    with pytest.raises(BadWeights, match="hold LoRA adapters .* no settings of them; give lora="):
        EmbodiedLM.from_pretrained(folder)
    assert torch.equal(logits(EmbodiedLM.from_pretrained(folder, lora=LORA)), logits(model))
    with pytest.raises(BadWeights, match="has shape"):
        EmbodiedLM.from_pretrained(folder, lora={**LORA, "r": 4})
    with pytest.raises(BadWeights, match="lacks .*o_proj"):
        EmbodiedLM.from_pretrained(folder, lora={**LORA, "target_modules": ["q_proj", "v_proj", "o_proj"]})


@pytest.mark.parametrize("kind", ["LOHA", "IA3", "PREFIX_TUNING"])
def test_another_kind_of_adapter_is_refused_by_name(kind, tmp_path):
    tiny_model().save_pretrained(tmp_path)
    (tmp_path / "adapter_config.json").write_text(json.dumps({"peft_type": kind, "r": 2}))
    with pytest.raises(BadWeights, match=f"peft_type '{kind}'; only LORA"):
        EmbodiedLM.from_pretrained(tmp_path)


def test_settings_types_and_information_of_from_pretrained_work_as_before(tmp_path):
    model = tiny_model()
    model.save_pretrained(tmp_path)
    half = EmbodiedLM.from_pretrained(str(tmp_path), dtype=torch.bfloat16)
    assert half.get_input_embeddings().weight.dtype == torch.bfloat16
    frozen, info = EmbodiedLM.from_pretrained(tmp_path, freeze_backbone=True, output_loading_info=True)
    assert not any(p.requires_grad for p in frozen.lm.parameters())
    assert not info["missing_keys"] and not info["unexpected_keys"]
    given = EmbodiedLM.from_pretrained(tmp_path, config=model.config)
    assert torch.equal(logits(given), logits(model))
    assert not given.training


# -- the vocabulary's size ---------------------------------------------------------------------------


@pytest.mark.parametrize("lora", [None, LORA])
@pytest.mark.parametrize(
    ("size", "multiple", "rows"), [(3000, None, 3000), (2700, 64, 2752), (2547, None, 2547)]
)
def test_a_resized_vocabulary_keeps_its_rows_its_ties_and_its_answers(size, multiple, rows, lora, tmp_path):
    model = tiny_model(lora=lora)
    before, old = logits(model), model.get_input_embeddings().weight.detach().clone()
    table = model.resize_token_embeddings(size, multiple)
    assert table is model.get_input_embeddings() and table.num_embeddings == rows
    assert model.lm.lm_head.weight is table.weight and model.get_output_embeddings().out_features == rows
    assert torch.equal(table.weight[: len(old)], old)
    torch.testing.assert_close(logits(model)[..., : len(old)], before)
    assert model.config.backbone["vocab_size"] == model.lm.config.vocab_size == rows
    model.save_pretrained(tmp_path)
    again = EmbodiedLM.from_pretrained(tmp_path)
    assert again.get_input_embeddings().num_embeddings == rows
    assert again.lm.lm_head.weight is again.get_input_embeddings().weight
    assert torch.equal(logits(again), logits(model))
    assert again.generate(IDS, torch.ones_like(IDS), max_new_tokens=2, min_new_tokens=2).shape == (2, 2)


def test_a_vocabulary_without_a_size_stays_as_it_is():
    model = tiny_model()
    assert model.resize_token_embeddings() is model.get_input_embeddings()
    assert model.get_input_embeddings().num_embeddings == model.config.backbone["vocab_size"]


@pytest.mark.parametrize("size", [0, -1, 10, 27, 2.5, 3000.0, "3000", True, float("nan"), [3000]])
def test_a_size_that_loses_words_the_model_needs_is_refused(size):
    model = tiny_model()
    rows = model.get_input_embeddings().num_embeddings
    with pytest.raises(ValueError, match="new_num_tokens=.*None or a whole number above"):
        model.resize_token_embeddings(size)
    assert model.get_input_embeddings().num_embeddings == rows
