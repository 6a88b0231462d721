"""The Hugging Face Hub: files, searches, access."""
