"""Planners: their protocol and implementations."""
