"""The command `llmspell`."""
