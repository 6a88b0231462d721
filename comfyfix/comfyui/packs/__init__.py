"""What the user's own node packs say of their loaders, read from their source and never run."""
