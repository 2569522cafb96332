"""The fast decoder says what `transformers` says, with an adapter or without, or it refuses."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from palme.models.pretrained.decoder import NotInFamily
from palme.models.pretrained.load import pretrained, with_adapter, with_new_adapter
from palme.models.pretrained.load_decoder import decoder
from palme.models.pretrained.token_tree import chain
from palme.weight_files import BadWeights, WeightsMissing
from tests.palme.tiny_lm import tiny_lm

IDS = [5, 9, 40, 7, 61, 12, 3]
CLOSE = {"fp32": 1e-4, "bf16": 0.1, "int8": 0.1}  # of numbers of about 1


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_lm(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def adapter(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("adapter")
    adapted = with_new_adapter(pretrained(folder)[0], rank=4)
    torch.manual_seed(1)
    for name, weight in adapted.named_parameters():
        if "lora_B" in name:
            weight.data = 0.05 * torch.randn_like(weight)
    adapted.save_pretrained(out)
    return out


def _expected(folder: Path, adapter: Path | None) -> torch.Tensor:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    if adapter is not None:
        model = with_adapter(model, adapter)
    with torch.inference_mode():
        return torch.as_tensor(model.model(input_ids=torch.tensor([IDS])).last_hidden_state[0])


@pytest.mark.parametrize("precision", ["fp32", "bf16", "int8"])
@pytest.mark.parametrize("adapted", [False, True])
def test_the_decoder_gives_what_transformers_gives(
    folder: Path, adapter: Path, precision: str, adapted: bool
) -> None:
    expected = _expected(folder, adapter if adapted else None)
    quick = decoder(folder, adapter if adapted else None, precision)  # type: ignore[arg-type]
    context = quick.begin()
    first = quick.hidden(context, IDS[:4], chain(-1, 0, 4))
    found = torch.cat((first, quick.hidden(context, IDS[4:], chain(3, 4, 3)))).float()
    assert torch.allclose(found, expected, atol=CLOSE[precision])
    if adapted:
        assert not torch.allclose(_expected(folder, None), expected, atol=CLOSE[precision])


@pytest.mark.parametrize("precision", ["fp32", "bf16", "int8"])
def test_weights_from_the_cache_give_the_same_to_the_bit(
    folder: Path, adapter: Path, precision: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PALME_CACHE", str(tmp_path))
    monkeypatch.setattr("palme.models.pretrained.prepared.LEAST", 0)
    made, read, other = (
        quick.hidden(quick.begin(), IDS, chain(-1, 0, len(IDS)))
        for quick in (decoder(folder, one, precision) for one in (adapter, adapter, None))  # type: ignore[arg-type]
    )
    assert torch.equal(made, read) and not torch.equal(made, other)
    assert len(list(tmp_path.rglob("*.safetensors"))) == 2


def test_a_context_grows_beyond_its_first_room(folder: Path) -> None:
    quick = decoder(folder, precision="fp32")
    context = quick.begin()
    ids = (IDS * 60)[:400]
    whole = quick.hidden(context, ids, chain(-1, 0, 400))
    parts = quick.begin()
    for at in range(0, 400, 100):
        last = quick.hidden(parts, ids[at : at + 100], chain(at - 1, at, 100))
    assert torch.allclose(last[-1], whole[-1], atol=1e-4)


@pytest.mark.parametrize(
    "change",
    [{"model_type": "gpt2"}, {"hidden_act": "gelu"}, {"rope_parameters": {"rope_type": "yarn"}},
     {"use_sliding_window": True}],
)  # fmt: skip
def test_a_model_of_another_kind_is_left_to_transformers(folder: Path, tmp_path: Path, change: dict) -> None:
    other = Path(shutil.copytree(folder, tmp_path / "other"))
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps(config | change))
    with pytest.raises(NotInFamily, match=next(iter(change))):
        decoder(other)


def test_weights_that_do_not_fit_the_config_are_refused(folder: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(folder, tmp_path / "other"))
    found = load_file(other / "model.safetensors")
    del found["model.layers.1.mlp.up_proj.weight"]
    save_file(found, other / "model.safetensors")
    with pytest.raises(BadWeights, match="up_proj"):
        decoder(other)


@pytest.mark.parametrize("what", ["lacks one of a pair", "another size", "another name", "dora", "no file"])
def test_an_adapter_that_is_none_of_this_model_is_refused(
    folder: Path, adapter: Path, tmp_path: Path, what: str
) -> None:
    other = Path(shutil.copytree(adapter, tmp_path / "other"))
    file = other / "adapter_model.safetensors"
    found = load_file(file)
    name = next(key for key in found if key.endswith("lora_B.weight"))
    if what == "lacks one of a pair":
        del found[name]
    elif what == "another size":
        found[name] = torch.zeros(len(found[name]) + 1, found[name].shape[1])
    elif what == "another name":
        found = {key.replace("q_proj", "c_proj"): value for key, value in found.items()}
    elif what == "dora":
        settings = json.loads((other / "adapter_config.json").read_text())
        (other / "adapter_config.json").write_text(json.dumps(settings | {"use_dora": True}))
    save_file(found, file)
    if what == "no file":
        file.unlink()
    with pytest.raises((BadWeights, WeightsMissing)):
        decoder(folder, other)
