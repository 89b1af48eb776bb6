"""The version, here and nowhere else; CMakeLists.txt and pyproject.toml read it."""

__version__ = "0.2.0.dev0"
