"""Text forms of data, and what is worked out from text alone."""
