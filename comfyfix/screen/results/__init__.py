"""The results of a project as files for machines and people: each format from the same record."""
