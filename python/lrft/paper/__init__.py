"""The paper's figures and claims as experiments that compute, draw and judge themselves.

`figures` holds one small module a figure, `claims` one a claim; `experiment` says what an
experiment is.
"""
