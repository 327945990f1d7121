"""Lessons: what a template says."""
