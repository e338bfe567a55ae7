"""Models that stand in for others: in tests, and where there is no network."""
