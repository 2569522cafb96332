"""Connectors: features (B, N, D_enc) become soft tokens (B, K, D_lm), one file a connector."""
