"""Fakes and the conformance suite, for our own tests and for yours. No test framework needed."""

from .conformance import Case, check_case, check_engine, read_cases, unsuited

__all__ = ["Case", "check_case", "check_engine", "read_cases", "unsuited"]
