"""`python -m rlcheck`, the same command as `rlcheck`."""

from rlcheck.cli import main

if __name__ == "__main__":
    main()
