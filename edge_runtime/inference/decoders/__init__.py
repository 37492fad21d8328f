"""Output tensors into answers.  Pure: no engine, no thread; one module a kind of output."""

from edge_runtime.inference.decoders.answer import Answer
from edge_runtime.inference.decoders.classification import Classification, activated, ranked

__all__ = ["Answer", "Classification", "activated", "ranked"]
