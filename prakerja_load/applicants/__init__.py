"""Who registers: synthetic Indonesian applicants, each a pure function of (seed, index)."""
