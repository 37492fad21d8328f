"""The libraries that run models: one file each, chosen by `opening`."""
