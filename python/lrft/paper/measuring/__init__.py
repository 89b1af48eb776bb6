"""Exponents and intervals."""
