"""Scenes and demonstrations drawn for training and evaluation."""
