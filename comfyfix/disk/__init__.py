"""Files on disk: written whole, opened with care, cleared of what killed processes leave."""
