"""Networks around a causal language model: encoders, connectors, the embodied model, heads."""
