"""Lets `python -m prakerja_load` stand for the command `prakerja-load`."""

from prakerja_load.cli import main

if __name__ == "__main__":
    main()
