"""Trials repeated: many runs that together make one claim."""
