"""Formulas: what one cell computes, where things stand, and how it is written for Excel and for people."""
