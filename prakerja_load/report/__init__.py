"""Words and pictures: a finished Report, then one renderer a file."""
