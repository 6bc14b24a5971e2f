"""`python -m metabench`."""

from metabench.cli import command

if __name__ == "__main__":
    command()
