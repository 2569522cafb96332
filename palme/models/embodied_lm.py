"""EmbodiedLM: a causal language model whose sentence holds observations among its words (PaLM-E, 2023).

Text x_i = E[w_i]; where a placeholder stands, the soft token of the observation stands instead. The language
model is any `AutoModelForCausalLM`; it sees one sequence of vectors and its own positions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutputWithPast

from palme.language.vocabulary import (
    ENTITY_WORDS,
    IMAGE_TOKEN,
    NOTHING,
    OBJECT_TOKENS,
    OBJECT_WORDS,
    READING_TOKEN,
    STATE_TOKEN,
    TABLE,
)
from palme.models.connectors.basic import LinearConnector, ObjectConnector
from palme.models.object_batch import ObjectBatch

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
    """What an `EmbodiedLM` is made of.

    Args:
        backbone: keywords of any causal LM's config, `model_type` among them.
        words: token ids by word: entities, table, nothing, obj_k and the placeholders (from the tokenizer).
        feature_dim: width of the detector's visual feature of an object, 0 = not used.
        state_dim: numbers in a robot state (7 joints, gripper, 3 of the tool's place).
        image_dim: width of an image encoder's features, 0 = no image tokens.
        reading_dim: width of the `InstructionEncoder`'s features of the instruction, 0 = none.
        freeze_backbone: only connectors learn.
        lora: keywords of `peft.LoraConfig` (r, target_modules ...); the backbone learns through these alone.
    """

    model_type = "palme"

    def __init__(
        self,
        backbone: Mapping[str, Any] | None = None,
        words: Mapping[str, int] | None = None,
        feature_dim: int = 0,
        state_dim: int = 11,
        image_dim: int = 0,
        reading_dim: int = 0,
        freeze_backbone: bool = False,
        lora: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        self.backbone = dict(backbone or SMALL_BACKBONE)
        self.words = dict(words or {})
        self.feature_dim = feature_dim
        self.state_dim = state_dim
        self.image_dim = image_dim
        self.reading_dim = reading_dim
        self.freeze_backbone = freeze_backbone
        self.lora = dict(lora) if lora else None
        self.tie_word_embeddings = self.backbone.get("tie_word_embeddings", True)
        super().__init__(**{"tie_word_embeddings": self.tie_word_embeddings, **kwargs})

    @classmethod
    def for_tokenizer(cls, tokenizer: Any, backbone: Mapping[str, Any] | None = None, **kwargs: Any) -> Any:
        """The config whose word ids and vocabulary size are those of `tokenizer`."""
        named = (
            *ENTITY_WORDS, TABLE, NOTHING, *OBJECT_WORDS, *OBJECT_TOKENS, IMAGE_TOKEN, STATE_TOKEN,
            READING_TOKEN,
        )  # fmt: skip
        ids = {word: tokenizer.convert_tokens_to_ids(word) for word in named}
        backbone = {
            **(backbone or SMALL_BACKBONE),
            "vocab_size": len(tokenizer),
            "pad_token_id": tokenizer.pad_token_id,
            "bos_token_id": tokenizer.bos_token_id,
            "eos_token_id": tokenizer.eos_token_id,
        }
        return cls(backbone=backbone, words=ids, **kwargs)


class EmbodiedLM(PreTrainedModel):
    """Words and observations in, words out.

    Observations reach `forward` and `generate` as keywords beside `input_ids` (B, T), in which their
    placeholders stand:
        objects: `ObjectBatch`; `<obj:k>` is row k - 1.
        state: (B, state_dim); `<state>`.
        image: (B, K, image_dim) features of an encoder; K times `<img>` in a row, all pictures joined.
        reading: (B, reading_dim); `<read>`.
    """

    config_class = EmbodiedConfig
    base_model_prefix = "palme"
    _supports_sdpa = True
    _supports_attention_backend = True

    def __init__(self, config: EmbodiedConfig) -> None:
        super().__init__(config)
        keywords = dict(config.backbone)
        lm_config = AutoConfig.for_model(keywords.pop("model_type"), **keywords)
        self.lm = AutoModelForCausalLM.from_config(lm_config, attn_implementation="eager")
        width = self.lm.get_input_embeddings().embedding_dim
        self.object_connector = ObjectConnector(width, config.feature_dim)
        self.state_connector = LinearConnector(config.state_dim, width)
        self.image_connector = LinearConnector(config.image_dim, width) if config.image_dim else None
        self.reading_connector = LinearConnector(config.reading_dim, width) if config.reading_dim else None
        words = config.words

        def ids(names: Any) -> Tensor:
            return torch.tensor([words.get(w, 0) for w in names])

        self.register_buffer("entity_ids", ids((*ENTITY_WORDS, TABLE, NOTHING)), persistent=True)
        self.register_buffer("referral_ids", ids(OBJECT_WORDS), persistent=True)
        self.register_buffer("object_ids", ids(OBJECT_TOKENS), persistent=True)
        self.register_buffer("other_ids", ids((IMAGE_TOKEN, STATE_TOKEN)), persistent=True)
        if config.reading_dim:
            self.register_buffer("reading_ids", ids((READING_TOKEN,)), persistent=True)
        self._keys_to_ignore_on_load_missing = ["object_connector.centre", "object_connector.scale"]
        self.post_init()
        if config.freeze_backbone:
            self.lm.requires_grad_(False)
        if config.lora:
            from peft import LoraConfig, inject_adapter_in_model

            inject_adapter_in_model(LoraConfig(**config.lora), self.lm)

    @classmethod
    def from_backbone(cls, backbone: Any, tokenizer: Any, **kwargs: Any) -> EmbodiedLM:
        """Around a pretrained causal LM (a folder, a name, or the model); `add_words` taught its tokenizer.

        Entity words begin as the mean of the pieces they were written with before. `kwargs` as the config's.
        """
        lm = backbone if isinstance(backbone, nn.Module) else AutoModelForCausalLM.from_pretrained(backbone)
        lm.resize_token_embeddings(len(tokenizer), mean_resizing=False)
        keywords = {k: v for k, v in lm.config.to_diff_dict().items() if k not in ("dtype", "torch_dtype")}
        lora = kwargs.pop("lora", None)
        config = EmbodiedConfig.for_tokenizer(tokenizer, keywords, **kwargs)
        model = cls(config)
        model.lm.load_state_dict(lm.state_dict())
        table = model.get_input_embeddings().weight
        with torch.no_grad():
            for word in (*ENTITY_WORDS, *OBJECT_WORDS):
                parts = [tokenizer(part, add_special_tokens=False)["input_ids"] for part in word.split("_")]
                pieces = [i for part in parts for i in part]
                if pieces:
                    table[tokenizer.convert_tokens_to_ids(word)] = table[pieces].mean(0)
        if lora:
            from peft import LoraConfig, inject_adapter_in_model

            config.lora = dict(lora)
            inject_adapter_in_model(LoraConfig(**config.lora), model.lm)
        return model

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, ObjectConnector):
            module.reset_parameters()
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=0.02)

    def get_input_embeddings(self) -> nn.Module:
        return self.lm.get_input_embeddings()

    def set_input_embeddings(self, value: nn.Module) -> None:
        self.lm.set_input_embeddings(value)

    def get_output_embeddings(self) -> nn.Module:
        return self.lm.get_output_embeddings()

    def embed(
        self,
        input_ids: Tensor,
        objects: ObjectBatch | None = None,
        state: Tensor | None = None,
        image: Tensor | None = None,
        reading: Tensor | None = None,
    ) -> Tensor:
        """The sentence as vectors (B, T, D_lm): words, and soft tokens where their placeholders stand."""
        x = self.get_input_embeddings()(input_ids)  # (B, T, D)
        if objects is not None:
            soft = self.object_tokens(objects)  # (B, N, D)
            hit = input_ids[..., None] == self.object_ids[: soft.shape[1]]  # (B, T, N)
            x = _stand_in(x, hit.any(-1), hit.int().argmax(-1), soft)
        if image is not None and self.image_connector is not None:
            here = input_ids == self.other_ids[0]  # (B, T)
            x = _stand_in(x, here, (here.cumsum(-1) - 1).clamp(0), self.image_connector(image))
        if state is not None:
            here = input_ids == self.other_ids[1]
            x = _stand_in(x, here, torch.zeros_like(input_ids), self.state_connector(state[:, None]))
        if reading is not None and self.reading_connector is not None:
            here = input_ids == self.reading_ids[0]
            x = _stand_in(x, here, torch.zeros_like(input_ids), self.reading_connector(reading[:, None]))
        return x

    def object_tokens(self, objects: ObjectBatch) -> Tensor:
        """Soft tokens (B, N, D_lm) of perceived objects."""
        table = self.get_input_embeddings().weight
        named = table[self.entity_ids]  # (24 + 2, D)
        n = objects["score"].shape[1]
        fields = {"feature": None, **objects}
        return self.object_connector(
            **fields,
            entities=named[:-2],
            table=named[-2],
            nothing=named[-1],
            referrals=table[self.referral_ids[:n]],
        )

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        objects: ObjectBatch | None = None,
        state: Tensor | None = None,
        image: Tensor | None = None,
        reading: Tensor | None = None,
        **kwargs: Any,
    ) -> CausalLMOutputWithPast:
        """Logits (B, T, V) and, with `labels` (-100 on the prefix), the cross-entropy on the rest."""
        if inputs_embeds is None:
            if input_ids is None:
                raise ValueError("EmbodiedLM needs input_ids or inputs_embeds")
            inputs_embeds = self.embed(input_ids, objects, state, image, reading)
        return self.lm(inputs_embeds=inputs_embeds, attention_mask=attention_mask, labels=labels, **kwargs)

    def hidden(self, inputs_embeds: Tensor, attention_mask: Tensor) -> Tensor:
        """Last hidden states (B, T, D): training applies the head only where there is something to say."""
        body = self.lm.base_model
        return body(inputs_embeds=inputs_embeds, attention_mask=attention_mask, use_cache=False)[0]

    @torch.inference_mode()
    def generate(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        objects: ObjectBatch | None = None,
        state: Tensor | None = None,
        image: Tensor | None = None,
        reading: Tensor | None = None,
        **kwargs: Any,
    ) -> Tensor:
        """New token ids (B, T_new). Keywords as `transformers`' generate; prompts pad on the left."""
        x = self.embed(input_ids, objects, state, image, reading)
        if attention_mask is None:
            attention_mask = torch.ones_like(input_ids)
        return self.lm.generate(inputs_embeds=x, attention_mask=attention_mask, **kwargs)


def _stand_in(x: Tensor, here: Tensor, which: Tensor, soft: Tensor) -> Tensor:
    """x (B, T, D) with soft[b, which[b, t]] wherever here[b, t]."""
    picked = soft.gather(1, which[..., None].expand(-1, -1, soft.shape[-1]))  # (B, T, D)
    return torch.where(here[..., None], picked.to(x.dtype), x)


AutoConfig.register("palme", EmbodiedConfig)
