"""The way to the collector: one child process that reads the ledger and sends what is not acked.

``events``, ``batch``, ``backoff``, ``answers`` and ``decisions`` are pure; ``uploader`` is the
loop; ``transport_http`` speaks HTTP over ``http_connection``, sync's only importer of urllib3;
``process`` is the child.
"""
