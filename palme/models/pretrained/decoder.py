"""A language model of the Llama family (Llama, Qwen2), on one core as fast as its memory allows.

It gives what `transformers` gives, without what that does beside the products of matrices.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from palme.models.pretrained.packed_linear import DTYPES, Linear, Precision, packed, prepared
from palme.models.pretrained.token_tree import TokenTree

JOINED = {
    "query_key_value": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "out": ("self_attn.o_proj",),
    "gate_up": ("mlp.gate_proj", "mlp.up_proj"),
    "down": ("mlp.down_proj",),
}
"""Matrices of a layer that are multiplied in one."""
ROOM = 256
"""Tokens by which a context grows."""


class NotInFamily(ValueError):
    """A model that `Decoder` does not compute; `transformers` does."""


@dataclass(frozen=True)
class _Layer:
    before_attention: Tensor  # (D,)
    query_key_value: Linear
    out: Linear
    before_mlp: Tensor  # (D,)
    gate_up: Linear
    down: Linear


class Context(TokenTree):
    """Keys and values of a tree of tokens.

    Attributes:
        keys_values: (L, 2, K, T, D_head), of which the first `len(self)` of T count.
    """

    def __init__(self, keys_values: Tensor, n: int = 0) -> None:
        super().__init__(n)
        self.keys_values = keys_values

    def copy(self) -> Context:
        """Another with the same tokens, which grows on its own."""
        other = Context(self.keys_values.clone())
        other.depths, other.sees = list(self.depths), self.sees
        return other

    def add(self, parents: Sequence[int]) -> Tensor:
        """See `TokenTree`."""
        mask = super().add(parents)
        if (lacking := len(self) - self.keys_values.shape[3]) > 0:
            self.keys_values = F.pad(self.keys_values, (0, 0, 0, lacking + ROOM))
        return mask


class Decoder:
    """See module.

    Args:
        config: `config.json` of the model.
        weights: its tensors, as `prepared_weights` makes them.
        precision: of the matrices.

    Attributes:
        n_layers: number of layers.
        head: width of a head of attention.
        output: the output layer's weights (V, D).

    Raises:
        NotInFamily: the model is of another kind.
    """

    def __init__(
        self, config: Mapping[str, Any], weights: Mapping[str, Tensor], precision: Precision
    ) -> None:
        check_family(config)
        self.precision, self.dtype = precision, DTYPES[precision]
        self.n_layers = int(config["num_hidden_layers"])
        self._heads = int(config["num_attention_heads"])
        self._kv_heads = int(config.get("num_key_value_heads") or self._heads)
        self.head = int(config.get("head_dim") or config["hidden_size"] // self._heads)
        self._eps = float(config["rms_norm_eps"])
        self.embeddings = weights["model.embed_tokens.weight"]  # (V, D)
        self.output = weights.get("lm_head.weight", self.embeddings)  # (V, D)
        self._norm = weights["model.norm.weight"]
        self._layers = [self._layer(weights, f"model.layers.{k}", precision) for k in range(self.n_layers)]
        self._rates = _theta(config) ** -(torch.arange(0, self.head, 2).float() / self.head)  # (D_head / 2,)

    def _layer(self, weights: Mapping[str, Tensor], name: str, precision: Precision) -> _Layer:
        def linear(part: str) -> Linear:
            start = f"{name}.{part}."
            own = {key.removeprefix(start): value for key, value in weights.items() if key.startswith(start)}
            return packed(own, precision)

        return _Layer(
            weights[f"{name}.input_layernorm.weight"],
            linear("query_key_value"),
            linear("out"),
            weights[f"{name}.post_attention_layernorm.weight"],
            linear("gate_up"),
            linear("down"),
        )

    def begin(self) -> Context:
        """An empty context."""
        return Context(torch.zeros(self.n_layers, 2, self._kv_heads, ROOM, self.head, dtype=self.dtype))

    @torch.inference_mode()
    def hidden(self, context: Context, ids: Sequence[int], parents: Sequence[int]) -> Tensor:
        """Append tokens to `context`.

        Args:
            ids: of the tokens.
            parents: number of the token before each in `context`, where these are counted on; -1 = none.

        Returns:
            What the output layer reads of each token (N, D).
        """
        n, begun = len(ids), len(context)
        mask = context.add(parents)  # (N, T)
        end, half, groups = begun + n, self.head // 2, self._heads // self._kv_heads
        angles = torch.tensor(context.depths[begun:]).float()[:, None, None] * self._rates
        cos = torch.cat((angles.cos(), angles.cos()), -1).to(self.dtype)  # (N, 1, D_head)
        sin = torch.cat((-angles.sin(), angles.sin()), -1).to(self.dtype)
        x = self.embeddings[torch.tensor(ids)].to(self.dtype)  # (N, D)
        for layer, (keys, values) in zip(self._layers, context.keys_values, strict=True):
            y = layer.query_key_value(F.rms_norm(x, x.shape[1:], layer.before_attention, self._eps))
            y = y.view(n, -1, self.head)  # (N, heads + 2 K, D_head)
            turned, value = y[:, : -self._kv_heads], y[:, -self._kv_heads :]
            turned = turned * cos + torch.cat((turned[..., half:], turned[..., :half]), -1) * sin
            keys[:, begun:end] = turned[:, self._heads :].transpose(0, 1)
            values[:, begun:end] = value.transpose(0, 1)
            query = turned[:, : self._heads].transpose(0, 1).reshape(self._kv_heads, groups * n, self.head)
            scores = query @ keys[:, :end].transpose(1, 2)  # (K, groups N, T)
            scores = scores.float().view(self._kv_heads, groups, n, end) * self.head**-0.5 + mask
            looks = scores.softmax(-1).to(self.dtype).view(self._kv_heads, groups * n, end)
            seen = (looks @ values[:, :end]).view(self._heads, n, self.head)
            x = x + layer.out(seen.transpose(0, 1).reshape(n, -1))
            gate, up = layer.gate_up(F.rms_norm(x, x.shape[1:], layer.before_mlp, self._eps)).chunk(2, -1)
            x = x + layer.down(F.silu(gate) * up)
        return F.rms_norm(x, x.shape[1:], self._norm, self._eps)


def prepared_weights(
    config: Mapping[str, Any], weights: Mapping[str, Tensor], precision: Precision
) -> dict[str, Tensor]:
    """The tensors that a `Decoder` computes with.

    Args:
        config: `config.json` of the model.
        weights: the model's tensors by name.
        precision: of the matrices.

    Raises:
        KeyError, RuntimeError: they are not of one model.
    """
    dtype = DTYPES[precision]
    embeddings, output = "model.embed_tokens.weight", "lm_head.weight"
    out = {embeddings: weights[embeddings], "model.norm.weight": weights["model.norm.weight"].to(dtype)}
    if output in weights:
        out[output] = weights[output]
    for k in range(int(config["num_hidden_layers"])):
        layer = f"model.layers.{k}"
        for norm in ("input_layernorm", "post_attention_layernorm"):
            out[f"{layer}.{norm}.weight"] = weights[f"{layer}.{norm}.weight"].to(dtype)
        for name, parts in JOINED.items():
            biases = [weights[f"{layer}.{part}.bias"] for part in parts if f"{layer}.{part}.bias" in weights]
            whole = torch.cat([weights[f"{layer}.{part}.weight"] for part in parts])
            made = prepared(whole, torch.cat(biases) if biases else None, precision)
            out |= {f"{layer}.{name}.{key}": value for key, value in made.items()}
    return out


def _theta(config: Mapping[str, Any]) -> float:
    return float(
        config.get("rope_theta") or (config.get("rope_parameters") or {}).get("rope_theta", 10_000.0)
    )


def check_family(config: Mapping[str, Any]) -> None:
    """Raises NotInFamily unless `Decoder` computes the model of this `config.json`."""
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    kinds = set(config.get("layer_types") or ()) | {"full_attention"}
    usual = {
        "model_type": config.get("model_type") in ("llama", "qwen2"),
        "hidden_act": config.get("hidden_act") == "silu",
        "rope_parameters": rope.get("rope_type", rope.get("type", "default")) == "default",
        "layer_types": kinds == {"full_attention"},
        "use_sliding_window": not config.get("use_sliding_window"),
    }
    for key, is_usual in usual.items():
        if not is_usual:
            raise NotInFamily(f"{key}={json.dumps(config.get(key))}: not of the Llama family")
