"""What a registrant does: sans-I/O generators of requests and pauses, and what counts as success."""
