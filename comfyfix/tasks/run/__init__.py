"""One run, from its opening to its last word: searches, consent, orders, and who is told."""
