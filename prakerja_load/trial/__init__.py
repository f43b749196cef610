"""One scenario run once: from an empty run directory to a closed one."""
