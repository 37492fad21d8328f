"""Pictures, sounds, videos and numbers on disk: one file for each kind."""
