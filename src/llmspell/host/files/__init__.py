"""The local files that the grants allow."""
