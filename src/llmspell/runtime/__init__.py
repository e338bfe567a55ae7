"""Runs spells: the gate, the driver, sessions."""
