"""`python -m scenekit` is the command `scenekit`."""

import sys

from scenekit.cli import main

sys.exit(main())
