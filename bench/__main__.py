"""
C{python -m bench}: every server measured side by side.
"""

from .run import main


if __name__ == "__main__":
    raise SystemExit(main())
