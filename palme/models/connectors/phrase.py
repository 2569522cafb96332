"""Detected objects as phrases: a few soft tokens each, which a pretrained language model reads at once."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from palme.language.vocabulary import ENTITY_WORDS, MAX_OBJECTS, NOTHING, OBJECT_WORDS, TABLE
from palme.models.connectors.base import Connector, Instruction
from palme.models.connectors.object import TOKEN_CENTRE, TOKEN_SCALE
from palme.models.encoders.objects import WIDTH, split
from robots.skills import COLOURS, KINDS


class PhraseConnector(Connector):
    """Objects (B, N, D) of `encoders.objects` -> soft tokens (B, `SLOTS` N, D_lm), `SLOTS` for each object.

    They begin as the expected words of "obj_k COLOUR KIND HOLDER COVER", each the mean of the model's own
    embeddings under the detector's probabilities. What an MLP of the object adds is learned; it begins at
    zero. One token for each word, since a frozen model reads no sum of several words.

    Args:
        d_encoder: width of an object's features.
        d_lm: width of the language model.
        hidden: width of the MLP.

    Attributes:
        SLOTS: soft tokens of an object.
    """

    SLOTS = 5
    names = (*ENTITY_WORDS, TABLE, NOTHING, *OBJECT_WORDS, *COLOURS, *KINDS)

    def __init__(self, d_encoder: int, d_lm: int, hidden: int = 128) -> None:
        super().__init__()
        self.d_feature = d_encoder - WIDTH
        e = len(ENTITY_WORDS)
        self.inner = nn.Linear(d_encoder + 2 * (e + 1), hidden)
        self.more = nn.Linear(hidden, self.SLOTS * d_lm)

    def reset_parameters(self) -> None:
        """The MLP adds nothing."""
        nn.init.normal_(self.inner.weight, std=self.inner.in_features**-0.5)
        nn.init.zeros_(self.more.weight)
        nn.init.zeros_(self.more.bias)

    def forward(
        self,
        features: Tensor,
        mask: Tensor | None = None,
        instruction: Instruction | None = None,
        names: Tensor | None = None,
    ) -> Tensor:
        """Soft tokens (B, SLOTS N, D_lm), those of one object in a row.

        Raises:
            ValueError: if there are more than `MAX_OBJECTS` objects, for which there are no words.
        """
        assert names is not None
        b, n = features.shape[:2]
        if n > MAX_OBJECTS:
            raise ValueError(f"{n} objects in one scene: at most {MAX_OBJECTS} have a word (obj_1 ...)")
        objects = split(features, self.d_feature)
        sizes = (len(ENTITY_WORDS), 1, 1, MAX_OBJECTS, len(COLOURS), len(KINDS))
        entities, table, nothing, referrals, colours, kinds = names.to(features.dtype).split(sizes)
        class_probs, holder_probs = objects["class_probs"], objects["holder_probs"]
        looks = class_probs.unflatten(-1, (len(KINDS), len(COLOURS)))  # (B, N, 3, 8)
        held, on_table = holder_probs[..., :-1], holder_probs[..., -1:]  # (B, N, N), (B, N, 1)
        carried = (held * class_probs.sum(-1, keepdim=True).clamp(0, 1)).transpose(1, 2)  # (B, N, N)
        empty = (1 - carried).clamp(0, 1).prod(-1, keepdim=True)  # (B, N, 1)
        below, above = held @ class_probs, carried @ class_probs  # (B, N, 24) each
        words = torch.stack(
            [
                referrals[:n].expand(b, -1, -1),
                looks.sum(2) @ colours,
                looks.sum(3) @ kinds,
                below @ entities + on_table * table,
                above @ entities + empty * nothing,
            ],
            2,
        )  # (B, N, SLOTS, D_lm)
        place = (objects["xyz"] - features.new_tensor(TOKEN_CENTRE)) / features.new_tensor(TOKEN_SCALE)
        own: list[Any] = [class_probs, objects["size_probs"], place, objects["score"][..., None]]
        own += [objects["feature"]] if self.d_feature else []
        more = self.more(nn.functional.gelu(self.inner(torch.cat([*own, below, on_table, above, empty], -1))))
        return (words + more.unflatten(-1, (self.SLOTS, -1))).flatten(1, 2)


CONNECTOR = PhraseConnector
