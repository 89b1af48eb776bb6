"""Data that ships with lrft: the base network `digits`, made by scripts/train_digits.py."""
