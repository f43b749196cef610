"""Says, the night before a registration wave opens, whether the system will carry it."""

__version__ = "0.1.0"
