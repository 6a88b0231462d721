"""The trash of a store: what is moved out of its folders, each with a note of where it was."""
