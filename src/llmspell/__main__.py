"""`python -m llmspell`."""

import sys

from .cli.main import main

sys.exit(main())
