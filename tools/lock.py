"""Print requirements.lock: every installed package at its version, and nothing of where it came
from.

CUDA's libraries and Triton exist for Linux on x86-64 alone, and torch there asks for them itself;
elsewhere their lines must not count.
"""

from importlib.metadata import distributions

LINUX_ONLY = ("cuda-", "nvidia-", "triton")
OWN = ("metabench", "pip", "setuptools", "wheel")


def main() -> None:
    """Print the lock file."""
    print("# What the tests passed with. `make lock` writes this file.")
    for name, version in sorted(
        {(d.metadata["Name"].lower().replace("_", "-"), d.version) for d in distributions()}
    ):
        if name not in OWN:
            marker = (
                ' ; platform_system == "Linux" and platform_machine == "x86_64"'
                if name.startswith(LINUX_ONLY)
                else ""
            )
            print(f"{name}=={version}{marker}")


if __name__ == "__main__":
    main()
