"""Neural network layers: frozen pytrees, made by ``init`` with a key, called as pure functions.

A layer acts on the last dimension (attention on the last two, convolution and pooling on space and
features) and keeps what stands before it, so one layer serves single examples and batches alike.
"""

from verax.dsl.nn.attention import MultiHeadAttention, causal_mask, rotary
from verax.dsl.nn.convolution import Conv, ConvTranspose
from verax.dsl.nn.dropout import dropout
from verax.dsl.nn.embedding import Embedding
from verax.dsl.nn.linear import MLP, Linear
from verax.dsl.nn.losses import cross_entropy
from verax.dsl.nn.normalization import LayerNorm, RMSNorm
from verax.dsl.nn.pooling import avg_pool, max_pool, min_pool

__all__ = [
    "MLP",
    "Conv",
    "ConvTranspose",
    "Embedding",
    "LayerNorm",
    "Linear",
    "MultiHeadAttention",
    "RMSNorm",
    "avg_pool",
    "causal_mask",
    "cross_entropy",
    "dropout",
    "max_pool",
    "min_pool",
    "rotary",
]
