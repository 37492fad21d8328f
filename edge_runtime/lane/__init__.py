"""One lane: a camera or a microphone, its models, and what to do about the answer.

A child process with a straight line of threads: ``capture`` (``listen``) -> intake -> ``infer-N``
-> ``decide`` -> ``record``, with ``evidence`` and ``far`` beside it.  What is left out is left out
by a named policy, and told; docs/architecture.md has the table.
"""
