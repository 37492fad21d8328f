"""What model files say about themselves, read without any native code."""
