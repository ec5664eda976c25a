"""What several test files share."""

import os

SOAK = "LSTMGEN_SOAK" in os.environ  # `make soak`: the long versions of a few tests
