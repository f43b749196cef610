"""Lets the tests of this folder import the fake system and the people beside them."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
