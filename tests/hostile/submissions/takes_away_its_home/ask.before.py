"""Nobody may look into its home any more."""
import os as _os

_os.chmod(_os.path.expanduser("~/submission"), 0)
_os.chmod(_os.path.expanduser("~"), 0)
