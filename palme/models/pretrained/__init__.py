"""Pretrained language models: where each can be had, its licence, and a checked copy in a cache."""
