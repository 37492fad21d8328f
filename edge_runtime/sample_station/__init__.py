"""A belt, its parts and a voice, all our own: what the demo, the bench and the tests run on."""
