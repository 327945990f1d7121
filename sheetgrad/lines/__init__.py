"""The lines of a lesson: a small, closed part of NumPy, and the ways in which it is read."""
