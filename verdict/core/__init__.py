"""What every room needs: errors, files, paths, YAML; nothing here changes a result."""
