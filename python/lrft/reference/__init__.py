"""The readable twin: the paper's loop in NumPy, which depends on nothing else of lrft."""

from lrft.reference.students import (
    ACTIVATIONS,
    cosine,
    full_network_path,
    hermite,
    lora_path,
    network,
    neuron_cosines,
    project_out,
    rank_one_path,
    resolve_activation,
    row_gradient,
    subspace_cosines,
)

__all__ = [
    "ACTIVATIONS",
    "cosine",
    "full_network_path",
    "hermite",
    "lora_path",
    "network",
    "neuron_cosines",
    "project_out",
    "rank_one_path",
    "resolve_activation",
    "row_gradient",
    "subspace_cosines",
]
