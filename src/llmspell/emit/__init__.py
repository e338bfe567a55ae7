"""Projections of the catalogue for people and editors: stubs and the reference page.

Each is one walk over the declarations; nothing here knows a capability by name.
"""
