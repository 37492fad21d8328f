"""One lane: a camera or a microphone, its models, and what to do about the answer.

A child process with a straight line of threads: ``capture`` -> first queue -> ``infer-N`` ->
``record``.  What the lane may lose, it loses at the first queue, and counts it there.
"""
