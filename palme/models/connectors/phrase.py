"""Detected objects as phrases: a few soft tokens each, which a pretrained language model reads at once."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from palme.language.vocabulary import ENTITY_WORDS, MAX_OBJECTS, NOTHING, OBJECT_WORDS, TABLE
from palme.models.connectors.base import Connector, Instruction
from palme.models.encoders.objects import WIDTH
from palme.models.object_fields import object_fields
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
        of = object_fields(features, self.d_feature)
        sizes = (len(ENTITY_WORDS), 1, 1, MAX_OBJECTS, len(COLOURS), len(KINDS))
        entities, table, nothing, referrals, colours, kinds = names.to(features.dtype).split(sizes)
        looks = of.looks.unflatten(-1, (len(KINDS), len(COLOURS)))  # (B, N, 3, 8)
        words = torch.stack(
            [
                referrals[:n].expand(b, -1, -1),
                looks.sum(2) @ colours,
                looks.sum(3) @ kinds,
                of.below @ entities + of.on_table * table,
                of.above @ entities + of.bare * nothing,
            ],
            2,
        )  # (B, N, SLOTS, D_lm)
        own = [of.looks, of.sizes, of.place, of.score, *([] if of.feature is None else [of.feature])]
        inner = self.inner(torch.cat([*own, of.below, of.on_table, of.above, of.bare], -1))
        more = self.more(nn.functional.gelu(inner))
        return (words + more.unflatten(-1, (self.SLOTS, -1))).flatten(1, 2)


CONNECTOR = PhraseConnector
