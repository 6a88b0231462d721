"""What a run would do: each model looked at, numbered, allowed, and the room there is for it."""
