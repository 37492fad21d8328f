"""What a device and a collector say to each other: the conversation, and events in it."""
