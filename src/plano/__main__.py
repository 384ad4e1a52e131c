"""`python -m plano`: the command line, without an installed script."""

from __future__ import annotations

from plano.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
