"""Gates: which frames, and which parts of the sound, go on to the model."""
