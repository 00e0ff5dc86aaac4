"""What `curate render` and `curate stats` show: rows as a model sees them, token by token and counted."""
