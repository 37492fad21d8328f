"""Nothing decides before it has proved itself: bundle, loading, probe, golden samples, records."""
