"""python -m mlops_tui"""

from mlops_tui.cli import main

main()
