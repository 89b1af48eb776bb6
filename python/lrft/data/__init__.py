"""Data that ships with lrft.

The base network `digits` (made by scripts/train_digits.py), what the printed curves of the
paper pass through, and step times of other loops.
"""
