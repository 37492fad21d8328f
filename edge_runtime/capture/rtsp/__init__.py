"""RTSP cameras, read by ourselves: FFmpeg's reader does not say which packets were lost.

`dialogue` asks and answers, `description` is what the camera offers, `packets` sees what is
missing, `units` makes pictures of packets, `keyframes` says which of them count, `ages` says when
they were taken, and `session` is the connection with all of that.
"""
