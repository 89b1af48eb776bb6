"""Given data: samples, `fit` and what it gives back."""
