"""The paper's two-stage algorithm."""
