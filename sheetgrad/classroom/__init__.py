"""What a classroom needs: handouts for every student of a roster, and their marking."""
