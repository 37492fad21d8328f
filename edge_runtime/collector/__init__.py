"""The other end of sync: takes events and media from devices, durably, and gives them back.

``ingest`` is pure; ``store`` is the seam, ``sqlite_store`` with ``media_folder`` the embedded
implementation; ``app`` is HTTP; ``server`` runs it.
"""
