"""What F1 says on the delivery screen."""

from __future__ import annotations

HELP = """\
# Delivery

A trained model is of use once others can ask it. On its way there it passes five stages, the lanes on top:

1. **Image**: the best model of a build, with all it needs, in one *container image*. It is registered with its build.
2. **Staging**: the image runs in a small container that only you use.
3. **Validation**: the build's kept test set goes to staging. Does it answer exactly as it was trained, does it pass the
   gate, and is it no worse than what is in production (the *champion*)? That makes the **verdict**.
4. **Approval**: what would change in production, what it costs a month (an estimate), and the verdict. Somebody says
   yes; without a passed verdict one must say why.
5. **Production**: the new model comes beside the old one, is tried, and gets the traffic; the old one is kept.

**g** goes on: it does the next thing that is missing. Or one by one: **b** builds the image, **d** deploys to staging,
**v** validates, **a** asks for the approval and deploys to production. **u** rolls the chosen stage back to the build
before. **c** ends what is at work, after a question. Nothing is ever made twice: try again whenever you like.

**t** tries an endpoint: a real row of the test set, which you may change, what is predicted, and what it really was.

↑ and ↓ choose a lane; below stand what is known of it and the log of its last job. **l** shows what the service in the
cloud itself writes, live, and **l** again the job's log. **[** and **]** make room for the one or the other.

**k** copies the endpoint's key without ever showing it, **y** its address, **o** opens its page. **<** and **>** turn
to another build, **r** looks at the cloud again.

Signs: ○ waiting · ● at work · ◌ starting · ✔ done · ▲ warning · ✖ failed
"""
