"""The network, as far as the grants allow."""
