"""Promises of connectors: features become soft tokens, with the instruction in mind where they can."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from palme.language.sentence import Sentence
from palme.language.tokenizer import build_tokenizer
from palme.models.build import build_connector
from palme.models.connectors import CONNECTORS
from palme.models.connectors.base import Connector, Instruction
from palme.models.embodied_lm import EmbodiedConfig, EmbodiedLM
from palme.models.modality import modality
from palme.models.processor import EmbodiedProcessor
from palme.registry import UnknownName
from tests.palme.models.test_encoders import PretrainedEncoder, pictures, tiny
from tests.planner_fakes import TINY

CONFIGS = Path(__file__).resolve().parents[3] / "configs" / "connector"
SMALL = {"q_former": {"queries": 4, "width": 16, "heads": 2}, "token_learner": {"tokens": 4}}
OF_OBJECTS = ("object", "phrase")  # have their own tests
KINDS = tuple(kind for kind in CONNECTORS if kind not in OF_OBJECTS)


def made(kind: str, **keywords) -> Connector:
    torch.manual_seed(0)
    connector = build_connector({"kind": kind, **SMALL.get(kind, {}), **keywords}, 12, 20)
    connector.reset_parameters()
    return connector.eval()


def told(b: int = 2, seed: int = 0) -> Instruction:
    g = torch.Generator().manual_seed(seed)
    ids = torch.randint(0, 9, (b, 3), generator=g)
    return Instruction(ids, torch.ones(b, 3, dtype=torch.bool), torch.randn(b, 3, 20, generator=g))


@pytest.mark.parametrize("kind", KINDS)
def test_features_become_tokens_of_the_language_models_width(kind):
    connector = made(kind)
    tokens = connector(torch.randn(2, 5, 12), None, told())
    assert tokens.shape == (2, 5 if connector.tokens is None else connector.tokens, 20)


def test_a_model_begins_with_connectors_as_they_reset_themselves():
    config = EmbodiedConfig.for_tokenizer(build_tokenizer(), TINY, [modality("object")])
    holder = EmbodiedLM(config).senses["obj"].connector.holder.weight
    torch.testing.assert_close(holder @ holder.t(), torch.eye(len(holder)), atol=1e-4, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_reach_the_encoder(kind):
    features = torch.randn(2, 5, 12, requires_grad=True)
    made(kind)(features, None, told()).square().sum().backward()
    assert features.grad.abs().sum() > 0


@pytest.mark.parametrize("kind", KINDS)
def test_padding_changes_nothing(kind):
    features, mask = torch.randn(1, 5, 12), torch.ones(1, 5, dtype=torch.bool)
    padded = torch.cat([features, torch.full((1, 3, 12), 7.0)], 1)
    longer = torch.cat([mask, torch.zeros(1, 3, dtype=torch.bool)], 1)
    connector = made(kind)
    alone, beside = connector(features, mask, told(1)), connector(padded, longer, told(1))
    torch.testing.assert_close(beside[:, : alone.shape[1]], alone, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", ("linear", "mlp"))
def test_one_token_a_feature_means_that_tokens_do_not_mix(kind):
    connector, features = made(kind), torch.randn(1, 5, 12)
    torch.testing.assert_close(connector(features)[:, 2:3], connector(features[:, 2:3]))


def test_a_q_former_looks_with_the_instruction_in_mind_and_can_be_told_not_to():
    features = torch.randn(2, 5, 12)
    aware, deaf = made("q_former"), made("q_former", instruction=False)
    assert not torch.allclose(aware(features, None, told(seed=1)), aware(features, None, told(seed=2)))
    torch.testing.assert_close(deaf(features, None, told(seed=1)), deaf(features, None, told(seed=2)))
    swapped = told(seed=1).rows(torch.tensor([1, 0]))
    assert not torch.allclose(aware(features, None, told(seed=1)), aware(features, None, swapped))


def test_an_instruction_of_any_length_says_the_same_beside_padding():
    features, one = torch.randn(1, 5, 12), told(1)
    longer = Instruction(
        torch.cat([one.ids, torch.zeros(1, 4, dtype=torch.long)], 1),
        torch.cat([one.mask, torch.zeros(1, 4, dtype=torch.bool)], 1),
        torch.cat([one.embeddings, torch.randn(1, 4, 20)], 1),
    )
    connector = made("q_former")
    torch.testing.assert_close(connector(features, None, longer), connector(features, None, one))


def test_the_instruction_reaches_the_connector_from_the_sentence():
    """The same picture and words, another instruction: other soft tokens. Each sentence has its own."""
    kind = replace(
        modality("image"),
        encoder={"kind": "features", "dim": 12},
        connector={"kind": "q_former", "queries": 4, "width": 16, "heads": 2},
        tokens=4,
    )
    model = EmbodiedLM(EmbodiedConfig.for_tokenizer(build_tokenizer(), TINY, [kind])).eval()
    processor = EmbodiedProcessor(build_tokenizer(), model.config.modalities)
    picture = {"img:front": np.linspace(-1, 1, 60).reshape(5, 12)}
    asked = ["what colour is the block", "where is the blue bowl", ""]
    together = processor([Sentence("see <img:front> .", picture, a) for a in asked])
    x = model.embed(**{k: v for k, v in together.items() if k != "attention_mask"})
    assert not torch.allclose(x[0, 1:5], x[1, 1:5])
    for row, instruction in enumerate(asked):
        alone = processor(Sentence("see <img:front> .", picture, instruction))
        expected = model.embed(**{k: v for k, v in alone.items() if k != "attention_mask"})[0]
        torch.testing.assert_close(x[row], expected)


@pytest.mark.parametrize("kind", KINDS)
def test_an_encoder_inside_the_model_learns_through_the_connector(kind, tmp_path):
    """Pixels -> CLIP's patches -> connector -> the language model's sentence, and back from disk."""
    tiny("clip").save_pretrained(tmp_path / "clip")
    described = replace(
        modality("image"),
        encoder={"kind": "pretrained", "model": str(tmp_path / "clip"), "freeze": False},
        connector={"kind": kind, **SMALL.get(kind, {})},
        tokens=made(kind).tokens or 16,
    )
    model = EmbodiedLM(EmbodiedConfig.for_tokenizer(build_tokenizer(), TINY, [described])).eval()
    pretrained = PretrainedEncoder.from_pretrained(tmp_path / "clip").eval()
    torch.testing.assert_close(model.senses["img"].encoder(pictures(2)), pretrained(pictures(2)))
    ids = build_tokenizer()(f"i see {'<pad> ' * described.tokens} put", return_tensors="pt").input_ids.repeat(
        2, 1
    )
    place = [(r, 2 + k, r, k) for r in range(2) for k in range(described.tokens)]
    batch = {"rgb": pictures(2)["rgb"], "row": torch.arange(2), "place": torch.tensor(place)}
    out = model(input_ids=ids, observations={"img:front": batch}, labels=ids)
    assert not torch.allclose(out.logits[0, -1], out.logits[1, -1])
    out.loss.backward()
    assert any(
        p.grad is not None and p.grad.abs().sum() > 0 for p in model.senses["img"].encoder.parameters()
    )
    model.save_pretrained(tmp_path / "whole")
    again = EmbodiedLM.from_pretrained(tmp_path / "whole").eval()
    torch.testing.assert_close(again(input_ids=ids, observations={"img:front": batch}).logits, out.logits)


@pytest.mark.parametrize("file", sorted(CONFIGS.glob("*.yaml")), ids=lambda f: f.stem)
def test_every_configured_connector_is_built(file):
    config = yaml.safe_load(file.read_text())
    assert config["kind"] == file.stem
    assert isinstance(build_connector(config, 30, 20), CONNECTORS[file.stem])


def test_every_kind_has_its_configuration():
    assert {f.stem for f in CONFIGS.glob("*.yaml")} == set(CONNECTORS)


@pytest.mark.parametrize(
    ("config", "says"), [({"kind": "q_forner"}, "q_former"), ({"kind": "mlp", "dept": 2}, "dept")]
)
def test_an_unknown_kind_or_key_is_refused_by_name(config, says):
    with pytest.raises(UnknownName, match=says):
        build_connector(config, 12, 20)
