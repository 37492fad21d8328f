"""Pictures into networks: region, resize, lookup, tiles, cells, and the way back."""
