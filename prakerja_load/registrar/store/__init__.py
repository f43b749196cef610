"""What the registrar remembers: durable, unique by constraint, written in groups."""
