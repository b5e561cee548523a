"""Media: its format, its completeness, its description by ffprobe, its thumbnail."""
