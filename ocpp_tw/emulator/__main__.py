"""
C{python -m ocpp_tw.emulator}: the same as C{ocpp-cp}.
"""

from .cli import main


main()
