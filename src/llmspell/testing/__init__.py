"""Fakes and the conformance suite, for our own tests and for yours. No test framework needed."""

from .conformance import Case, check_case, check_engine, read_cases, unsuited
from .models import Answer, Double, MockCall, Question, answering, failing, scripted, slow

__all__ = [
    "Answer",
    "Case",
    "Double",
    "MockCall",
    "Question",
    "answering",
    "check_case",
    "check_engine",
    "failing",
    "read_cases",
    "scripted",
    "slow",
    "unsuited",
]
