"""What F1 says on the training screen."""

from __future__ import annotations

HELP = """\
# Training

A **run** trains one model with one set of parameters. A **sweep** is several runs launched together; they run side by
side in the cloud, and a **build** number ties them to each other. Press **n**, look at the runs that are offered, and
press Enter.

The table shows what became of each run:

- **RMSE** is the typical error of a prediction, large errors counting more. Lower is better.
- **MAE** is the average error of a prediction. Lower is better.
- **R2** is the share of the differences between the wines that the model explains. 1 would be all of it; below 0 the
  model is worse than always saying the average.
- **gate** says whether the run is good enough to go on with: `rmse < 0.8`, say, in mlops.toml.
- ★ marks the best run of its build.

Signs: ○ waiting, ● running, ✔ succeeded, ✖ failed, – canceled.

Moving the cursor to a run shows its log below; **a** goes back to the log of all runs. `[` and `]` turn to the other
panes: plots, and the run in full. What they open takes the keys at once, and **Esc** goes back to the runs. In the
plots ← and → turn to another plot, ↑ and ↓ to another run; **m** chooses the metric, **p** the parameter.

**o** sorts by the next column, as a click on its head does. **b** shows the runs of earlier builds below these.

**e** launches the same runs again after you have changed what you like; **r** only those that failed. **c** ends the
chosen run, **C** all of them: both ask first.

Runs belong to the cloud, not to this window: quit, come back, and they are followed again.
"""
