"""The lock file: what it says of models, whether that holds, and what has become of it since."""
