"""JSON Schemas, and values that must fit them."""
