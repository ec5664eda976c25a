"""The command ``lstmgen``, and ``python -m lstmgen``.

Until a command begins, Ctrl-C ends the process at once, without a traceback from an import
(``cli.outcome`` listens from then on).
"""

import signal

if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else it is ignored
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from lstmgen.cli.app import main

if __name__ == "__main__":
    main()
