"""PLCs, brokers and pins: one file for each kind, with its table and its `open`."""
