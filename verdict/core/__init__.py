"""What every room needs: errors, files, processes, progress; nothing here changes a result."""
