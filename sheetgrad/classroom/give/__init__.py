"""Handouts for every student of a roster."""
