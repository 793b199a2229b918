"""QuPath GeoJSON annotations."""
