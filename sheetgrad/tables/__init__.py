"""What sheets compute beyond a lesson's own tensors, written once as lines and read on numbers and on cells."""
