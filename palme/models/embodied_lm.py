"""EmbodiedLM: a causal language model whose sentence holds observations among its words (PaLM-E, 2023).

Text x_i = E[w_i]; where a placeholder stands, the soft tokens of the observation stand instead. The language
model is any `AutoModelForCausalLM`; it gets one sequence of vectors, positions 0, 1, ... The configuration
names the modalities (`palme.models.modality`); this module names none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutputWithPast

from palme.language.vocabulary import Vocabulary
from palme.model_folders import load_checked
from palme.models.build import build_connector, build_encoder
from palme.models.connectors.base import Connector, Instruction
from palme.models.encoders.base import Encoder, EncoderInputError
from palme.models.loading import read_model
from palme.models.modality import Modality
from palme.models.padding import check_prompts
from palme.models.processor import Observations
from palme.weight_files import BadWeights

OF_A_FILE = ("dtype", "torch_dtype", "_name_or_path")  # what a config says of the files it came from
SMALL_BACKBONE = {
    "model_type": "llama",
    "hidden_size": 192,
    "intermediate_size": 512,
    "num_hidden_layers": 4,
    "num_attention_heads": 6,
    "num_key_value_heads": 6,
    "max_position_embeddings": 1024,
    "tie_word_embeddings": True,
}


class EmbodiedConfig(PretrainedConfig):
    """The configuration of an `EmbodiedLM`.

    Args:
        backbone: keywords of any causal LM's config, `model_type` among them.
        modalities: `Modality.to_dict` of each kind of observation, by its placeholder ("img"), or by one
            source ("img:wrist") that has an encoder of its own.
        words: token ids of each word whose embedding a connector needs (`Connector.names`).
        freeze_backbone: only encoders and connectors are trained.
        lora: keywords of `peft.LoraConfig` (r, target_modules ...); of the backbone only these are trained.
        base: a pretrained language model in the cache (`palme.models.pretrained`), or its folder: the
            backbone's weights, which are not saved again; "" = they are the model's own.
        scene_first: the observations stand before the question, and steps name objects as obj_k.
    """

    model_type = "palme"

    def __init__(
        self,
        backbone: Mapping[str, Any] | None = None,
        modalities: Mapping[str, Mapping[str, Any]] | None = None,
        words: Mapping[str, Sequence[int]] | None = None,
        freeze_backbone: bool = False,
        lora: Mapping[str, Any] | None = None,
        base: str = "",
        scene_first: bool = False,
        **kwargs: Any,
    ) -> None:
        self.backbone = dict(backbone or SMALL_BACKBONE)
        self.modalities = {source: dict(m) for source, m in (modalities or {}).items()}
        self.words = {word: list(ids) for word, ids in (words or {}).items()}
        self.freeze_backbone = freeze_backbone
        self.lora = dict(lora) if lora else None
        self.base = base
        self.scene_first = scene_first
        self.tie_word_embeddings = self.backbone.get("tie_word_embeddings", True)
        super().__init__(**{"tie_word_embeddings": self.tie_word_embeddings, **kwargs})

    @classmethod
    def for_tokenizer(
        cls,
        tokenizer: Any,
        backbone: Mapping[str, Any] | None = None,
        modalities: Iterable[Modality] | Mapping[str, Modality] = (),
        **kwargs: Any,
    ) -> EmbodiedConfig:
        """The config whose word ids and vocabulary size are those of `tokenizer`.

        Args:
            modalities: of the observations in a sentence; a mapping may also name sources ("img:wrist").
        """
        given = modalities if isinstance(modalities, Mapping) else {m.placeholder: m for m in modalities}
        backbone = {
            **(backbone or SMALL_BACKBONE),
            "vocab_size": len(tokenizer),
            "pad_token_id": tokenizer.pad_token_id,
            "bos_token_id": tokenizer.bos_token_id,
            "eos_token_id": tokenizer.eos_token_id,
        }
        config = cls(backbone, {source: m.to_dict() for source, m in given.items()}, **kwargs)
        config.name_words(Vocabulary(tokenizer))
        return config

    def name_words(self, vocabulary: Vocabulary) -> None:
        """Store the token ids of the words that the connectors need."""
        from palme.models.connectors import CONNECTORS

        for modality in self.modalities.values():
            for word in CONNECTORS[modality["connector"]["kind"]].names:
                self.words[word] = list(vocabulary.pieces(word))

    def check_words(self, vocabulary: Vocabulary, path: Any) -> None:
        """Raises BadWeights where `vocabulary` is not that of the model; `path` names its folder."""
        rows = self.backbone.get("vocab_size")
        size = len(vocabulary.tokenizer)
        if rows is not None and not size <= rows:
            raise BadWeights(f"{path}: its tokenizer has {size} tokens, its model only {rows}")
        for word, ids in self.words.items():
            if (found := list(vocabulary.pieces(word))) != list(ids):
                raise BadWeights(
                    f"{path}: its tokenizer writes {word!r} as {found}, its model was made for {list(ids)}: "
                    "they are of two models; save both from one training"
                )


class Sense(nn.Module):
    """An encoder and the connector behind it: one modality's observations become soft tokens."""

    def __init__(self, encoder: Encoder, connector: Connector) -> None:
        super().__init__()
        self.encoder, self.connector = encoder, connector

    def forward(
        self, batch: Mapping[str, Tensor], instruction: Instruction | None, names: Tensor | None
    ) -> Tensor:
        """Soft tokens (M, K, D_lm) of M observations."""
        features = self.encoder(batch)  # (M, N, D)
        return self.connector(features, batch.get("mask"), instruction, names)


class EmbodiedLM(PreTrainedModel):
    """Words and observations in, words out; inputs as `EmbodiedProcessor` makes them.

    `forward` and `generate` take `input_ids` (B, T); `observations`, with the place in it of each soft token;
    and `instruction_ids`, `instruction_mask` (B, L) for connectors that condition on the instruction.
    """

    config_class = EmbodiedConfig
    base_model_prefix = "palme"
    _supports_sdpa = True
    _supports_attention_backend = True

    def __init__(self, config: EmbodiedConfig, lm: Any = None) -> None:
        """Of `config`; its language model is `lm`, taken over, or an untrained one."""
        super().__init__(config)
        if lm is None:
            keywords = dict(config.backbone)
            lm_config = AutoConfig.for_model(keywords.pop("model_type"), **keywords)
            lm = AutoModelForCausalLM.from_config(lm_config, attn_implementation="eager")
        else:
            lm.set_attn_implementation("eager")
            for module in lm.modules():
                module._is_hf_initialized = True  # so that `post_init` leaves its weights alone
        self.lm = lm
        width = self.lm.get_input_embeddings().embedding_dim
        self.senses = nn.ModuleDict()
        for source, described in config.modalities.items():
            modality = Modality.from_dict(described)
            encoder = build_encoder(modality.encoder)
            described["encoder"] = {"kind": modality.encoder["kind"], **encoder.config()}
            self.senses[source] = Sense(encoder, build_connector(modality.connector, encoder.dim, width))
        self.post_init()
        self._reset_connectors()
        if config.freeze_backbone:
            self.lm.requires_grad_(False)
        if config.lora:
            self._inject_lora()

    @classmethod
    def from_pretrained(
        cls, pretrained_model_name_or_path: Any, *args: Any, config: Any = None, **kwargs: Any
    ) -> Any:
        """The model of a folder, in evaluation mode; every tensor comes from its files.

        See `palme.models.loading.read_model` for base weights, LoRA adapters and PEFT's names.

        Args:
            pretrained_model_name_or_path: the folder.
            args, kwargs: as `PreTrainedModel.from_pretrained`; settings of the config too, such as `lora`.
            config: an `EmbodiedConfig`, or the folder of one; None = that of the folder.

        Raises:
            WeightsMissing, BadWeights: files are missing, damaged or foreign, or do not fill the model.
        """
        found = read_model(cls, pretrained_model_name_or_path, config, kwargs)
        loaded: Any = super().from_pretrained(
            None, *args, config=found.config, state_dict=found.tensors, **found.rest
        )
        for name, p in (loaded[0] if isinstance(loaded, tuple) else loaded).named_parameters():
            p.requires_grad_(name in found.learning)
        return loaded

    @classmethod
    def from_backbone(cls, backbone: Any, tokenizer: Any, **kwargs: Any) -> EmbodiedLM:
        """An `EmbodiedLM` around a pretrained causal LM, whose vocabulary is kept.

        Args:
            backbone: a folder, a name, or the model, which is taken over.
            tokenizer: the backbone's own.
            kwargs: of `EmbodiedConfig.for_tokenizer`.

        Raises:
            ValueError: if the tokenizer has more words than the backbone.
            WeightsMissing, BadWeights: the folder's files are missing, damaged or foreign.
        """
        lm: Any = backbone
        if not isinstance(backbone, nn.Module):
            lm = load_checked(AutoModelForCausalLM, backbone, "name the folder of a causal language model")
        keywords = {k: v for k, v in lm.config.to_diff_dict().items() if k not in OF_A_FILE}
        lora = kwargs.pop("lora", None)
        config = EmbodiedConfig.for_tokenizer(tokenizer, keywords, **kwargs)
        rows = lm.get_input_embeddings().num_embeddings
        if len(tokenizer) > rows:
            raise ValueError(
                f"the tokenizer has {len(tokenizer)} tokens, the backbone {rows}; resize the backbone first"
            )
        config.backbone["vocab_size"] = rows  # some backbones have more rows than words
        model = cls(config, lm)
        if lora:
            config.lora = dict(lora)
            model._inject_lora()
        return model

    def _inject_lora(self) -> None:
        from peft import LoraConfig, inject_adapter_in_model

        inject_adapter_in_model(LoraConfig(**self.config.lora), self.lm)

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=0.02)

    def _reset_connectors(self) -> None:
        """By hand: `post_init` passes over modules whose parameters all stand in their layers."""
        for sense in self.senses.values():
            assert isinstance(sense, Sense)
            if not any(p.is_meta for p in sense.connector.parameters()):
                sense.connector.reset_parameters()

    def get_input_embeddings(self) -> nn.Embedding:
        """Input embeddings of the language model."""
        table: nn.Embedding = self.lm.get_input_embeddings()
        return table

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Replace the input embeddings of the language model."""
        self.lm.set_input_embeddings(value)

    def get_output_embeddings(self) -> nn.Module:
        """The language model's head."""
        return self.lm.get_output_embeddings()

    def resize_token_embeddings(
        self,
        new_num_tokens: int | None = None,
        pad_to_multiple_of: int | None = None,
        mean_resizing: bool = True,
    ) -> nn.Embedding:
        """Resize the language model's vocabulary; the saved configuration has the new size.

        Raises:
            ValueError: a size that is no whole number, or too small for tokens that the model needs.
        """
        special = [self.config.backbone.get(f"{name}_token_id") or 0 for name in ("pad", "bos", "eos")]
        needed = max(*special, *(i for ids in self.config.words.values() for i in ids))
        if new_num_tokens is not None and not (type(new_num_tokens) is int and new_num_tokens > needed):
            raise ValueError(
                f"new_num_tokens={new_num_tokens!r}: must be None or a whole number above {needed}, the "
                "highest token id that connectors and the end of a text need"
            )
        table = self.lm.resize_token_embeddings(new_num_tokens, pad_to_multiple_of, mean_resizing)
        self.config.backbone["vocab_size"] = self.lm.config.vocab_size
        return table

    def embed(
        self,
        input_ids: Tensor,
        observations: Observations | None = None,
        instruction_ids: Tensor | None = None,
        instruction_mask: Tensor | None = None,
    ) -> Tensor:
        """The sentence as vectors (B, T, D_lm): words, and soft tokens where observations stand.

        Raises:
            EncoderInputError: if an observation has no modality here, or fewer soft tokens than places.
        """
        words = self.get_input_embeddings()
        x = words(input_ids)  # (B, T, D)
        instruction = None
        if instruction_ids is not None:
            here = torch.ones_like(instruction_ids) if instruction_mask is None else instruction_mask
            instruction = Instruction(instruction_ids, here.bool(), words(instruction_ids))
        for source, batch in (observations or {}).items():
            soft = self.soft_tokens(source, batch, instruction)  # (M, K, D)
            row, column, item, token = batch["place"].unbind(-1)  # (P,) each
            if len(token) and not int(token.max()) < soft.shape[1]:
                raise EncoderInputError(
                    f"{source}: {int(token.max()) + 1} places in the sentence, {soft.shape[1]} soft tokens; "
                    "set tokens of its modality to the latter"
                )
            x = x.index_put((row, column), soft[item, token].to(x.dtype))
        return x

    def soft_tokens(
        self, source: str, batch: Mapping[str, Tensor], instruction: Instruction | None = None
    ) -> Tensor:
        """Soft tokens (M, K, D_lm) of M observations of one source ("state", "img:front", "obj").

        Args:
            batch: the arrays of its encoder's `prepare`, and `row` (M,), the sentence that each stands in.
            instruction: of the B sentences.

        Raises:
            EncoderInputError: if the model has no modality for it.
        """
        name = source if source in self.senses else source.partition(":")[0]
        if name not in self.senses:
            known = ", ".join(self.senses) or "none"
            raise EncoderInputError(f"{source}: this model has no such modality; it has {known}")
        sense = self.senses[name]
        assert isinstance(sense, Sense)
        names = self.word_embeddings(sense.connector.names) if sense.connector.names else None
        per_observation = None if instruction is None else instruction.rows(batch["row"])
        return sense(batch, per_observation, names)

    def word_embeddings(self, words: Sequence[str]) -> Tensor:
        """(len(words), D_lm): the mean of the input embeddings of each word's tokens."""
        table = self.get_input_embeddings().weight
        ids = [self.config.words[word] for word in words]
        if all(len(i) == 1 for i in ids):
            return table[torch.tensor([i[0] for i in ids], device=table.device)]
        return torch.stack([table[i].mean(0) for i in ids])

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        observations: Observations | None = None,
        instruction_ids: Tensor | None = None,
        instruction_mask: Tensor | None = None,
        **kwargs: Any,
    ) -> CausalLMOutputWithPast:
        """Logits (B, T, V) and, with `labels` (-100 on the prefix), the cross-entropy on the rest."""
        if inputs_embeds is None:
            if input_ids is None:
                raise ValueError("EmbodiedLM needs input_ids or inputs_embeds")
            inputs_embeds = self.embed(input_ids, observations, instruction_ids, instruction_mask)
        return self.lm(inputs_embeds=inputs_embeds, attention_mask=attention_mask, labels=labels, **kwargs)

    def hidden(self, inputs_embeds: Tensor, attention_mask: Tensor) -> Tensor:
        """Last hidden states (B, T, D); training applies the head only at the positions with a target."""
        body = self.lm.base_model
        return body(inputs_embeds=inputs_embeds, attention_mask=attention_mask, use_cache=False)[0]

    @torch.inference_mode()
    def generate(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        observations: Observations | None = None,
        instruction_ids: Tensor | None = None,
        instruction_mask: Tensor | None = None,
        **kwargs: Any,
    ) -> Tensor:
        """New token ids (B, T_new). Keywords as `transformers`' generate.

        Raises:
            BadPadding: a prompt is padded on the right or in the middle, so that the model would continue the
                padding, or is padded and no mask says where.
        """
        attention_mask = check_prompts(input_ids, attention_mask, observations, self.config.backbone)
        x = self.embed(input_ids, observations, instruction_ids, instruction_mask)
        return self.lm.generate(inputs_embeds=x, attention_mask=attention_mask, **kwargs)


AutoConfig.register("palme", EmbodiedConfig)
