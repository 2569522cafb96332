"""Promises of the text encoder that reads instructions, and of the soft token that it becomes."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from palme.errors import NoMotion
from palme.language.instruction_encoder import FOLDER, InstructionEncoder, InstructionEncoderMissing
from palme.language.prompts import prompt_text, prompt_words
from palme.language.sentence import BadSentence, Sentence
from palme.language.small_vocabulary import plain_words, small_vocabulary
from palme.language.tokenizer import build_tokenizer
from palme.models.modality import Modality, modality
from palme.models.processor import EmbodiedProcessor
from palme.planners.base import Context
from palme.planners.palme import PalmePlanner
from palme.training.datasets.detection_noise import SHARP
from palme.training.datasets.goal_sentences import KINDS, WAYS, sentences
from palme.training.datasets.questions import QuestionMaker
from palme.training.models.planner import save_planner
from palme.training.models.text_encoder import find_base
from palme.training.recipes.instruction_encoder import InstructionEncoderTraining
from palme.training.recipes.planner import PlannerTraining
from palme.training.trainer import Trainer
from palme.weight_files import WeightsMissing
from robots.skills import COLOURS, Step
from tests.fake_gpu import GPU, FakeGpu
from tests.planner_fakes import RESOURCES, SOURCE, observation, scene, seen, tiny_model

TABLE = scene("red block", "blue bowl")


def read_of(dim: int) -> Modality:
    """The features of a text encoder of width `dim`, as a sentence holds them."""
    return replace(modality("read"), encoder={"kind": "features", "dim": dim})


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> str:
    """A BERT of two layers that was never trained, with a word-piece tokenizer, as a folder on disk."""
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("bert")
    words = [w for w in small_vocabulary() if w.isalpha()][:900]
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxyz.,!?", *words]
    (folder / "vocab.txt").write_text("\n".join(dict.fromkeys(pieces)))
    tokenizer = BertTokenizerFast(vocab_file=str(folder / "vocab.txt"), do_lower_case=True)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
    BertModel(BertConfig(vocab_size=len(tokenizer), **sizes)).save_pretrained(folder)
    return str(folder)


def test_a_sentence_is_read_the_same_alone_and_among_longer_ones(base):
    reader = InstructionEncoder.load(base)
    texts = ["Stack red on blue.", "put the red block into the blue bowl please, and nothing else at all"]
    together = reader.read(texts)
    assert together.shape == (2, reader.dim) and together.dtype == np.float32
    for text, row in zip(texts, together, strict=True):
        assert np.allclose(reader.read([text])[0], row, atol=1e-5)
    assert not np.allclose(together[0], together[1], atol=1e-3)


def test_a_saved_reader_reads_as_before(base, tmp_path):
    reader = InstructionEncoder.load(base)
    reader.save(tmp_path)
    assert np.allclose(
        reader.read(["a red block"]), InstructionEncoder.load(tmp_path).read(["a red block"]), atol=0.02
    )


def test_a_folder_without_an_encoder_says_how_to_get_one(tmp_path, monkeypatch):
    with pytest.raises(WeightsMissing, match="palme train reader"):
        InstructionEncoder.load(tmp_path)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InstructionEncoderMissing, match="base=FOLDER"):
        find_base("")
    assert find_base("somewhere") == "somewhere"


def test_the_reading_stands_behind_what_the_person_said_and_nowhere_else():
    words = prompt_words("stack red on blue", 2, read=True)
    assert words[: words.index("robot")][-1] == "<read>"
    assert "<read>" not in prompt_words("stack red on blue", 2)
    with pytest.raises(BadSentence, match="<read>"):
        Sentence(prompt_text(words), {"state": np.zeros(11), "obj": seen(TABLE)})


def test_the_reading_changes_what_the_model_sees_at_its_place_alone():
    model, processor = tiny_model(read_of(5)), EmbodiedProcessor(build_tokenizer())
    text = prompt_text(prompt_words("stack red on blue", 2, read=True))
    rows = []
    for reading in (np.zeros(5), np.ones(5)):
        inputs = processor(Sentence(text, {"state": np.zeros(11), "obj": seen(TABLE), "read": reading}))
        rows.append(model.embed(inputs["input_ids"], inputs["observations"])[0])
    changed = (rows[0] - rows[1]).abs().amax(-1) > 1e-6
    column = inputs["observations"]["read"]["place"][:, 1]
    assert changed.nonzero()[:, 0].tolist() == column.tolist() and len(column) == 1


def test_a_planner_reads_each_instruction_once(base, tmp_path):
    reader = InstructionEncoder.load(base)
    save_planner(tiny_model(read_of(reader.dim)), tmp_path)
    reader.save(tmp_path / FOLDER)
    planner = PalmePlanner.load(lambda _: seen(TABLE), tmp_path)
    assert planner._instruction_encoder is not None
    asked: list[str] = []
    read = planner._instruction_encoder.read
    planner._instruction_encoder.read = lambda texts: (asked.extend(texts), read(texts))[1]  # type: ignore[method-assign]
    text, step = "put the red block in the blue bowl", Step.parse("put the red block in the blue bowl")
    for _ in range(3):
        with contextlib.suppress(NoMotion):  # it was never trained
            planner.next_step(Context(text, observation()))
        planner.was_successful(Context(text, observation()), step)
    assert asked == ["put the red block in the blue bowl"]


def test_a_planner_and_its_reader_belong_together(base):
    processor = EmbodiedProcessor(build_tokenizer())
    with pytest.raises(ValueError, match="<read>"):
        PalmePlanner(tiny_model(read_of(32)), processor, lambda _: seen(TABLE))
    with pytest.raises(ValueError, match="<read>"):
        PalmePlanner(tiny_model(), processor, lambda _: seen(TABLE), InstructionEncoder.load(base))


def test_what_is_to_be_read_is_the_instruction_whatever_noise_is_on_the_words():
    maker = QuestionMaker(SOURCE, 3, noise=SHARP, follow_ups=0.0, read=True)
    for _ in range(60):
        e = maker.example()
        here = e.words[: e.prompt].count("<read>")
        assert here == (1 if e.instruction else 0)
        if e.task is not None and e.spans[0][0] in ("put_in_bowl", "stack_tower", "match_bowls"):
            assert e.instruction


def test_a_model_that_hears_the_names_alone_still_has_the_whole_sentence_read():
    maker = QuestionMaker(SOURCE, 4, noise=SHARP, follow_ups=0.0, rates={"goal": 1.0}, read=True)
    deaf, known = 0, frozenset(plain_words())
    for _ in range(150):
        e = maker.example("stack_tower")
        words = e.words[3 : e.words.index("robot", 3)]
        plain = [w for w in words if w in known and w not in COLOURS and w not in ("light", "dark")]
        deaf += not plain
        assert words[-1] == "<read>" and len(e.instruction.split()) > 2
    assert 20 < deaf < 90


def test_every_kind_and_way_is_asked_for():
    draw = sentences(SOURCE, 0, "train", 0.1)
    some = [next(draw) for _ in range(1500)]
    assert {k for _, k, _ in some} == set(range(len(KINDS)))
    assert {w for _, _, w in some} == {-1, *range(len(WAYS))}
    assert all((w >= 0) == (KINDS[k] == "stack") for _, k, w in some)


def test_training_goes_on_where_it_stopped_and_a_planner_learns_with_it(base, tmp_path):
    out = tmp_path / "reader"
    small = {
        "out": str(out),
        "base": base,
        "minutes": 9,
        "batch": 4,
        "evaluate_n": 50,
        "evaluate_every_s": 1e9,
    }
    found = Trainer(InstructionEncoderTraining(max_steps=2, **small), RESOURCES).fit()
    assert 0 <= found["validation/way"] <= 1
    table = "embeddings.word_embeddings.weight"
    before, after = (
        InstructionEncoder.load(base).encoder.state_dict(),
        InstructionEncoder.load(out / "model").encoder.state_dict(),
    )
    assert torch.allclose(before[table], after[table], atol=1e-2 * before[table].abs().max())
    Trainer(InstructionEncoderTraining(max_steps=4, **small), RESOURCES).fit()
    log = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in log if line["kind"] == "final"] == [2, 4]
    tiny = {"width": 32, "layers": 1, "heads": 2, "inner": 48, "tokens": 512, "evaluate_n": 2}
    config = PlannerTraining(
        out=str(tmp_path / "p"),
        minutes=9,
        max_steps=2,
        evaluate_every_s=1e9,
        reader=str(out / "model"),
        **tiny,
    )
    Trainer(config, RESOURCES).fit()
    planner = PalmePlanner.load(lambda _: seen(TABLE), tmp_path / "p" / "model")
    assert planner.model.senses["read"].encoder.dim == 32


def test_it_learns_on_the_gpu_as_on_the_cpu(base, tmp_path, monkeypatch):
    def config(name: str) -> InstructionEncoderTraining:
        out = str(tmp_path / name)
        return InstructionEncoderTraining(out=out, base=base, minutes=9, max_steps=2, batch=4, evaluate_n=50)

    on_cpu = Trainer(config("cpu"), RESOURCES).fit()
    monkeypatch.setattr("palme.training.trainer.choose_device", lambda name, rank: GPU)
    with FakeGpu():
        on_gpu = Trainer(config("gpu"), RESOURCES).fit()
    assert on_gpu == pytest.approx(on_cpu, abs=0.05)
