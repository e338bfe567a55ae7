"""Named functions with a JSON Schema, for scripts and for models."""
