"""Every loader x every kind of damage: refused by the file's name with the remedy; never partly random."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import AutoModelForCausalLM, BertConfig, BertModel, LlamaConfig, ViTConfig, ViTModel

from palme.language.instruction_encoder import FOLDER, InstructionEncoder
from palme.language.sentence import Sentence
from palme.language.tokenizer import build_tokenizer
from palme.models.embodied_lm import EmbodiedLM
from palme.models.encoders.pretrained import PretrainedEncoder
from palme.models.processor import EmbodiedProcessor
from palme.perception import detector as detectors
from palme.perception.detector import Detector
from palme.planners.palme import PalmePlanner
from palme.policies import chunk
from palme.policies.chunk import load_head
from palme.training.checkpoint import load_checkpoint, save_checkpoint
from palme.training.models.chunk_head import begin_head
from palme.training.models.detector import DetectorNets, DetectorWithClassifier
from palme.training.models.planner import continued_planner, save_planner
from palme.training.models.text_encoder import load_base
from palme.weight_files import BadWeights, WeightsError, WeightsMissing, load_state
from tests.bpe import bpe_tokenizer
from tests.palme.language.test_instruction_encoder import read_of
from tests.planner_fakes import SOURCE, scene, seen, tiny_model
from tests.weight_damage import JSON, WEIGHTS, Damage

UNTRAINED = DetectorNets()
REMEDIES = ("`palme train", "`git lfs pull`", "resume=false", "name the folder", "save_pretrained`")
TABLE = seen(scene("red block", "blue bowl"))


def tiny_net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Linear(6, 2))


def optimiser(net: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.AdamW(net.parameters(), lr=0.1)


def resume(path: Path) -> nn.Module:
    """Raises what `load_checkpoint` does, after a look at whether the network is as it was."""
    net = tiny_net()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    try:
        load_checkpoint(path, net, [optimiser(net)])
    except BaseException:
        assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
        raise
    return net


# -- a good copy of everything that can be loaded -----------------------------------------------------


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files and folders by the names of `LOADERS`, small where that is possible."""
    root = tmp_path_factory.mktemp("good")
    torch.manual_seed(0)
    shutil.copy(detectors.WEIGHTS, root / "detector.safetensors")
    named = {k: v for k, v in load_file(detectors.WEIGHTS).items() if k.startswith("namer.")}
    save_file(named, root / "classifier.safetensors")
    shutil.copy(chunk.WEIGHTS, root / "chunk.safetensors")
    net = tiny_net()
    adam = optimiser(net)
    net(torch.randn(8, 4)).sum().backward()
    adam.step()
    more = {"rng": torch.get_rng_state()}
    save_checkpoint(root / "checkpoint.safetensors", net, [adam], {"step": 1, "seconds": 2.0}, more)
    nets = {f"net.{k}": v.contiguous() for k, v in DetectorNets().state_dict().items()}
    save_file(nets, root / "nets.safetensors")
    bert = BertConfig(
        vocab_size=500, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=48,
        max_position_embeddings=128,
    )  # fmt: skip
    reader = InstructionEncoder(BertModel(bert, add_pooling_layer=False), bpe_tokenizer(SOURCE))
    reader.encoder.resize_token_embeddings(len(reader.tokenizer))
    reader.encoder.save_pretrained(root / "reader", max_shard_size="30KB")
    reader.tokenizer.save_pretrained(root / "reader")
    save_planner(tiny_model(read_of(reader.dim)), root / "planner")
    shutil.copytree(root / "reader", root / "planner" / FOLDER)
    llama = LlamaConfig(
        vocab_size=len(bpe_tokenizer(SOURCE)), hidden_size=16, intermediate_size=24, num_hidden_layers=1,
        num_attention_heads=2, num_key_value_heads=2,
    )  # fmt: skip
    AutoModelForCausalLM.from_config(llama).save_pretrained(root / "backbone")
    vit = ViTConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24, image_size=32,
        patch_size=16,
    )  # fmt: skip
    ViTModel(vit, add_pooling_layer=False).save_pretrained(root / "vision")
    return root


FILES: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "detector": ("detector.safetensors", Detector.load),
    "chunk policy": ("chunk.safetensors", lambda path: load_head(path, 7)),
    "chunk policy in training": ("chunk.safetensors", lambda path: begin_head({"a": 7}, str(path))),
    "detector in training": ("nets.safetensors", DetectorNets.from_checkpoint),
    "classifier in training": (
        "classifier.safetensors", lambda path: DetectorWithClassifier(UNTRAINED, str(path)).namer,
    ),
    "checkpoint": ("checkpoint.safetensors", resume),
}  # fmt: skip
FOLDERS: dict[str, tuple[str, str, Callable[[Path], Any]]] = {
    "language model": ("planner", "model.safetensors", EmbodiedLM.from_pretrained),
    "language model in training": (
        "planner", "model.safetensors", lambda path: continued_planner(str(path), 0, 32),
    ),
    "planner": ("planner", "model.safetensors", lambda path: PalmePlanner.load(lambda _: TABLE, path).model),
    "planner's reader": (
        "planner", "reader/model-*.safetensors",
        lambda path: PalmePlanner.load(lambda _: TABLE, path)._instruction_encoder,
    ),
    "reader": ("reader", "model-*.safetensors", InstructionEncoder.load),
    "reader in training": ("reader", "model-*.safetensors", lambda path: load_base(str(path))),
    "backbone": (
        "backbone", "model.safetensors", lambda path: EmbodiedLM.from_backbone(path, bpe_tokenizer(SOURCE)),
    ),
    "vision": ("vision", "model.safetensors", PretrainedEncoder.from_pretrained),
}  # fmt: skip
HARMLESS = {
    # what an optimiser remembers is no network; the state of the generator is the trainer's to miss
    "checkpoint": ("first tensor lost", "last tensor lost", "a tensor lost", "one too many"),
}


def refused(load: Callable[[Path], Any], path: Path, named: Path) -> str:
    """What is wrong with the refusal; "" = it names `named`, or the index of its folder, and a remedy."""
    try:
        load(path)
    except WeightsError as error:
        message = str(error)
    except Exception as error:
        return f"a raw {type(error).__name__}: {error}"
    else:
        return "it was loaded"
    if not (str(named) in message or str(named.parent / "model.safetensors.index.json") in message):
        return f"it names no file: {message}"
    if not any(remedy in message for remedy in REMEDIES):
        return f"it has no remedy: {message}"
    return "" if "\n" not in message and "Traceback" not in message else f"it is no sentence: {message}"


def injected(load: Callable[[Path], Any], path: Path, file: Path, kinds: dict[str, Damage]) -> dict[str, str]:
    """Damage `file` in each of `kinds`, and mend it again; returns those whose refusal is wrong, and how."""
    wrong, whole = {}, file.read_bytes()
    for kind, damage in kinds.items():
        damage(file)
        if fault := refused(load, path, file):
            wrong[kind] = fault
        shutil.rmtree(file) if file.is_dir() else file.unlink(missing_ok=True)
        file.write_bytes(whole)
    return wrong


def test_every_good_file_loads(good):
    for name, (file, load) in FILES.items():
        assert load(good / file) is not None, name
    for name, (folder, _, load) in FOLDERS.items():
        assert load(good / folder) is not None, name


@pytest.mark.parametrize("loader", FILES)
def test_each_kind_of_damage_to_a_file_of_weights_is_refused_by_name(loader, good, tmp_path):
    file, load = FILES[loader]
    path = Path(shutil.copy(good / file, tmp_path / file))
    wrong = injected(load, path, path, WEIGHTS)
    assert {kind: fault for kind, fault in wrong.items() if kind not in HARMLESS.get(loader, ())} == {}


@pytest.mark.parametrize("loader", FOLDERS)
def test_each_kind_of_damage_to_the_weights_of_a_folder_is_refused_by_name(loader, good, tmp_path):
    folder, part, load = FOLDERS[loader]
    path = Path(shutil.copytree(good / folder, tmp_path / folder))
    file = sorted(path.glob(part))[-1]
    assert injected(load, path, file, WEIGHTS) == {}


def planner_of(path: Path) -> PalmePlanner:
    return PalmePlanner.load(lambda _: TABLE, path)


def acts(loaded: Any) -> list:
    """What a planner or a text encoder makes of a sentence; two that act alike are the same."""
    said = ["put the red block in the blue bowl"]
    if isinstance(loaded, InstructionEncoder):
        return [loaded.tokenizer(said)["input_ids"], loaded.encoder(torch.tensor([[3, 7, 5]]))[0].tolist()]
    if isinstance(loaded, PalmePlanner):
        inputs = loaded.processor(Sentence("see <obj:1> put the red block", {"obj": TABLE}), begin=True)
        x = loaded.model.embed(inputs["input_ids"], inputs["observations"])
        again = acts(loaded._instruction_encoder)
        return [inputs["input_ids"].tolist(), loaded.model(inputs_embeds=x).logits.tolist(), again]
    return [v.sum().item() for v in loaded.state_dict().values()]


JSON_FILES = [
    ("planner", "config.json", planner_of), ("planner", "tokenizer.json", planner_of),
    ("planner", "tokenizer_config.json", planner_of), ("planner", "processor_config.json", planner_of),
    ("reader", "config.json", InstructionEncoder.load), ("reader", "tokenizer.json", InstructionEncoder.load),
    ("reader", "tokenizer_config.json", InstructionEncoder.load),
    ("reader", "model.safetensors.index.json", InstructionEncoder.load),
    ("vision", "config.json", PretrainedEncoder.from_pretrained),
    ("backbone", "config.json", lambda path: EmbodiedLM.from_backbone(path, bpe_tokenizer(SOURCE))),
]  # fmt: skip


@pytest.mark.parametrize(
    ("folder", "file", "load"), JSON_FILES, ids=lambda v: v if isinstance(v, str) else ""
)
def test_each_kind_of_damage_to_a_json_file_is_refused_by_name_or_changes_nothing(
    folder, file, load, good, tmp_path
):
    path = Path(shutil.copytree(good / folder, tmp_path / folder))
    expected = acts(load(path))

    def same(there: Path) -> Any:
        if acts(load(there)) == expected:  # such a file is not needed
            raise BadWeights(f"{path / file}: changes nothing; `palme train`")

    wrong = injected(same, path, path / file, JSON)
    # a tokenizer or a config may be lost, and the message then names the folder
    assert {kind: fault for kind, fault in wrong.items() if str(path) not in fault or "raw" in fault} == {}


def test_a_tokenizer_of_another_order_of_words_is_refused(good, tmp_path):
    path = Path(shutil.copytree(good / "planner", tmp_path / "planner"))
    text = (path / "tokenizer.json").read_text()
    swapped = (
        text.replace('"red_block"', '"?"')
        .replace('"blue_block"', '"red_block"')
        .replace('"?"', '"blue_block"')
    )
    (path / "tokenizer.json").write_text(swapped)
    with pytest.raises(BadWeights, match="its tokenizer writes .* they are of two models"):
        planner_of(path)


def test_a_reader_of_another_width_is_refused(good, tmp_path):
    path = Path(shutil.copytree(good / "planner", tmp_path / "planner"))
    bert = BertConfig(
        vocab_size=3000, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8
    )
    BertModel(bert, add_pooling_layer=False).save_pretrained(path / FOLDER)
    for part in (*(path / FOLDER).glob("model-*"), path / FOLDER / "model.safetensors.index.json"):
        part.unlink(missing_ok=True)
    with pytest.raises(BadWeights, match="vectors of 16 numbers, the model needs 32"):
        planner_of(path)


def test_a_file_in_place_of_a_folder_and_a_folder_in_place_of_a_file_are_refused(good, tmp_path):
    loaders = (
        planner_of, EmbodiedLM.from_pretrained, EmbodiedProcessor.from_pretrained, InstructionEncoder.load,
        PretrainedEncoder.from_pretrained, lambda path: EmbodiedLM.from_backbone(path, build_tokenizer()),
    )  # fmt: skip
    for load in loaders:
        for wrong in (good / "detector.safetensors", tmp_path, tmp_path / "none"):
            with pytest.raises(WeightsError, match=str(wrong)):
                load(wrong)
    for load in (Detector.load, lambda path: load_head(path, 7), resume, DetectorNets.from_checkpoint):
        for wrong in (good / "planner", tmp_path / "none"):
            with pytest.raises(WeightsError, match=str(wrong)):
                load(wrong)
    assert issubclass(WeightsMissing, FileNotFoundError)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "weights.pth", "last.ckpt"])
def test_a_folder_of_pickles_alone_is_refused_unread(name, good, tmp_path):
    for folder, load in (
        ("planner", EmbodiedLM.from_pretrained),
        ("vision", PretrainedEncoder.from_pretrained),
    ):
        path = Path(shutil.copytree(good / folder, tmp_path / folder))
        (path / "model.safetensors").rename(path / name)
        with pytest.raises(BadWeights, match=f"{name}: is a PyTorch pickle, which can run code.*convert it"):
            load(path)


@pytest.mark.parametrize("kind", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_weights_of_any_real_type_are_taken(kind, good, tmp_path):
    changed = {k: v.to(kind) if v.is_floating_point() else v for k, v in load_file(chunk.WEIGHTS).items()}
    save_file(changed, tmp_path / "chunk.safetensors")
    head, shipped = load_head(tmp_path / "chunk.safetensors", 7), load_head(chunk.WEIGHTS, 7)
    for name, value in head.state_dict().items():
        assert value.dtype == torch.float32
        torch.testing.assert_close(value, shipped.state_dict()[name], atol=1e-3, rtol=1e-2)


def test_weights_of_another_arm_are_refused_and_older_ones_without_a_correction_taken(tmp_path):
    with pytest.raises(BadWeights, match="tensor .* has shape .* another arm"):
        load_head(chunk.WEIGHTS, 6)
    found = load_file(chunk.WEIGHTS)
    found.pop("base_from_told", None)
    save_file(found, tmp_path / "old.safetensors")
    assert torch.equal(load_head(tmp_path / "old.safetensors", 7).base_from_told, torch.eye(4))


@pytest.mark.parametrize(
    "numbers", ["{}", "", "null", '{"step": "x", "seconds": 1}', '{"step": NaN, "seconds": 0}']
)
def test_a_checkpoint_without_its_counters_is_refused(numbers, good, tmp_path):
    save_file(
        load_file(good / "checkpoint.safetensors"), tmp_path / "c.safetensors", metadata={"numbers": numbers}
    )
    with pytest.raises(BadWeights, match="c.safetensors: has no counters of a training"):
        resume(tmp_path / "c.safetensors")


def test_a_checkpoint_of_a_smaller_network_is_not_filled_up_with_random_rows(tmp_path):
    small = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Linear(5, 2))
    save_checkpoint(tmp_path / "c.safetensors", small, [], {"step": 1, "seconds": 1.0})
    with pytest.raises(BadWeights, match=r"has shape \(5,.*needs \(6"):
        resume(tmp_path / "c.safetensors")


def test_a_network_is_filled_as_a_whole_or_not_at_all(good, tmp_path):
    net = tiny_net()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    found = {k: v + 1 for k, v in tiny_net().state_dict().items()}
    del found["2.bias"]
    save_file(found, tmp_path / "n.safetensors")
    with pytest.raises(BadWeights, match="lacks 2.bias of this network's 9 tensors; say the remedy"):
        load_state(net, tmp_path / "n.safetensors", "say the remedy")
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())


def test_every_loader_of_weights_reads_through_the_one_that_checks():
    root = Path(__file__).resolve().parents[2] / "palme"
    calls = (
        "load_file(",
        "safe_open(",
        "torch.load(",
        "AutoModel.from_pretrained(",
        "Model.from_pretrained(",
    )
    own = {"weight_files.py", "model_folders.py", "observation_files.py"}  # the last holds no weights
    found = [
        f"{file.relative_to(root)}: {line.strip()}"
        for file in sorted(root.rglob("*.py"))
        for line in file.read_text(encoding="utf-8").splitlines()
        if file.name not in own and any(call in line for call in calls) and "import" not in line
    ]
    assert found == []
