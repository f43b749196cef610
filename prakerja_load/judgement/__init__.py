"""Claims made from facts: estimates, soundness, integrity, objectives, verdict."""
