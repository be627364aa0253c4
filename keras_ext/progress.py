"""Where long work says how far it is: one standard logger, shown by whoever runs the work.

The command line shows these lines live; in a notebook `logging.basicConfig(level=logging.INFO)` prints them.
"""

import logging

progress_logger = logging.getLogger("keras_ext.progress")
