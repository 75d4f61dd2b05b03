"""What F1 says on the history screen."""

from __future__ import annotations

HELP = """\
# History

Each training leaves a **build**: a number, and the runs that were launched together under it. This screen lists all
builds that the cloud's tracking server (MLflow) remembers, newest first, and what became of each:

- ✔ **gate passed**: at least one run was good enough to go on with.
- ▲ **gate missed**: the runs ended well, but none was good enough.
- ✖ **failed**, – **canceled**, ● **running**.

**Enter** opens a build and shows its runs; Enter once more shows of a run what it used (the data and its SHA-256, the
parameters) and what it made (metrics, the model, its files). **Esc** goes back. With the mouse: a click chooses, a
second one opens.

**Space** marks a build or a run to be compared: as soon as two are marked, their metrics stand side by side below. +
and − say by how much the others are above or below the first. **x** takes all marks away.

Where something was delivered, a column says how far: an **image** exists, its verdict is **passed** or **failed**, or
it answers in **staging** or **production**. **g** goes on with the build in Delivery; **b** builds its image, **d**
deploys it to staging, **v** validates it there, **a** asks for the approval and deploys it to production.

**/** filters: by number, by who built, by outcome ("missed"), by a run's name. **e** trains again with the parameters
of this build. **y** copies its ids, **u** opens its page in the workspace, **r** reads everything again.
"""
