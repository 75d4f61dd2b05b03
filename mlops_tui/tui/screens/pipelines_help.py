"""What F1 says on the pipelines screen."""

from __future__ import annotations

HELP = """\
# Pipelines

What you do by hand in Training and Delivery, the **CI host** (Azure DevOps or GitHub) does by itself: at each push to
the repository, or when you say so. Its machines check the repository out and call mlops-tui there, in three *stages*:

1. **Train**: trains, judges by the gate, and builds the best model's image.
2. **Staging**: deploys it to staging, and measures there how it answers.
3. **Production**: waits for an **approval** of the environment; then deploys it to production.

On top are the runs, newest first; below them the stages of the run in hand, with the steps of the one in hand, and the
log of that part. As long as you do not move, everything goes along with what is at work. Hosts hand out the log of a
step (GitHub: of a job) once that has ended: until then that of the one before stands in its place.

**n** queues a run: all of it, or the release of a build that is there into staging or production alone. **a** approves
what waits, after showing what that means; only those may whom the host lets. **c** cancels the run on its host, after a
question. **f** or **Enter** follows a run: those that go on are followed by themselves, whichever section is on top,
and are found again after a restart.

↑ and ↓ choose a run or a part, **Tab** goes on to the parts and the log, **Enter** on a part to its log. **l** shows
the log of the whole run, and **l** again the part's. **[** and **]** make room for the parts or for the log. **<** and
**>** turn to another run. **o** opens its page, **y** copies the page's address, **r** reads the runs again.

Where no host is chosen: Setup (**1**) has the setting `ci.host`, and the steps that make repository and pipeline.

Signs: ○ queued · ▲ waiting for somebody · ● at work · ✔ succeeded · ✖ failed · – canceled or skipped
"""
