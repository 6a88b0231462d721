"""Where doit and we meet: what we lean on inside it, and what every command is wrapped in."""
