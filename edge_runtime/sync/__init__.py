"""The way to the collector: one child process that reads the ledger and sends what is not acked.

``events``, ``batch``, ``backoff`` and ``decisions`` are pure; ``transport_http`` is the only
importer of urllib3; ``uploader`` is the loop; ``process`` is the child.
"""
