"""The demo: both stories in a minute, with media and models of our own."""
