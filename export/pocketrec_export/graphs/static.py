"""A static encoder: one vector and one weight for each token, no attention; a text is the weighted mean of its tokens.

The idea is that of MinishLab's model2vec. transformers opens its folder like any other: config.json says
`"model_type": "static_embedding"`.
"""

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput


class StaticConfig(PretrainedConfig):  # type: ignore[misc]
    """Shape of a static encoder."""

    model_type = "static_embedding"

    def __init__(self, vocab_size: int = 16, hidden_size: int = 16, **others: object) -> None:
        super().__init__(**others)
        self.vocab_size = vocab_size
        self.hidden_size = hidden_size


class StaticEmbedding(PreTrainedModel):  # type: ignore[misc]
    """Weighted rows of a table as states of the tokens; their mean, which pooling takes, is the text.

    Vectors and weights lie apart, so that in int8 a rare token's long row doesn't coarsen the others.
    """

    config_class = StaticConfig

    def __init__(self, config: StaticConfig) -> None:
        super().__init__(config)
        self.vectors = nn.Embedding(config.vocab_size, config.hidden_size)
        self.weights = nn.Embedding(config.vocab_size, 1)
        self.post_init()

    @classmethod
    def of(cls, vectors: Tensor, weights: Tensor) -> "StaticEmbedding":
        """A table from its rows.

        Args:
            vectors: Float [tokens, width].
            weights: Float [tokens].
        """
        made = cls(StaticConfig(*vectors.shape))
        with torch.no_grad():
            made.vectors.weight.copy_(vectors)
            made.weights.weight.copy_(weights[:, None])
        return made.eval()  # type: ignore[no-any-return]

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> BaseModelOutput:
        """States of tokens, float [batch, length, width]; each depends on its token alone."""
        return BaseModelOutput(last_hidden_state=self.vectors(input_ids) * self.weights(input_ids))


AutoConfig.register(StaticConfig.model_type, StaticConfig)
AutoModel.register(StaticConfig, StaticEmbedding)
