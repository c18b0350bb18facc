"""What the model tells: its sites, what they are computed from, what their dimensions follow. Knows no samples."""
