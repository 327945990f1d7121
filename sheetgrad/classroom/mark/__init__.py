"""Marking what came back."""
