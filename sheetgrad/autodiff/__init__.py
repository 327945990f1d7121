"""From forward lines to backward lines."""
