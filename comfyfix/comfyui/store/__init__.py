"""The store: the directories of each model folder, and what lies in them."""
