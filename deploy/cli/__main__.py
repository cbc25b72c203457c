"""`python -m phenostream.deploy.cli`: the same as `phenostream`, for children of this process."""

import sys

from phenostream.deploy.cli.main import main

sys.exit(main())
