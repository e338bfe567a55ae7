"""Models that use tools and other agents on the way to their answers."""
