"""Spells as they lie on disk."""
