"""``python -m edge_runtime.field``: the field process."""

import sys

from edge_runtime.field.process import main

sys.exit(main())
